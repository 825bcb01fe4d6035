package lamin.nextflow;

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Says what the parts of the observer make of what a Python test gives them: `Probe WORD ARGUMENTS...`, the answer as JSON. */
public final class Probe {
    public static void main(String[] words) throws Exception {
        List<String> arguments = Arrays.asList(words).subList(1, words.length);
        System.out.println(Json.write(answer(words[0], arguments)));
    }

    private static Object answer(String word, List<String> arguments) throws Exception {
        switch (word) {
            case "blake3": return hashes(arguments);
            case "piecewise": return piecewise(Paths.get(arguments.get(0)));
            case "digest": return digests(arguments);
            case "run-id": return RunIds.derived(arguments.toArray(new String[0]));
            case "run-uid": return RunIds.uid(arguments.get(0));
            case "texts": return texts(Paths.get(arguments.get(0)));
            case "secret-names": return secretNames(arguments);
            case "redaction-time": return redactionTime(arguments.get(0), Integer.parseInt(arguments.get(1)));
            case "redact": return redacted(Paths.get(arguments.get(0)));
            case "names": return names(arguments);
            case "slugs": return slugs(arguments);
            case "parent": return parent(arguments.get(0));
            case "json": return oddities();
            case "spool": return SpoolFolder.of(System.getenv()).path.toString();
            case "shapes": return shapes();
            case "heap": return heap(Integer.parseInt(arguments.get(0)));
            case "keys": return keys(arguments);
            case "destinations": return destinations();
            case "acknowledged": return acknowledged(arguments);
            case "deliver": return delivered(arguments.get(0), Integer.parseInt(arguments.get(1)), arguments.size() < 3 ? 100 : Long.parseLong(arguments.get(2)));
            case "post": return posted(arguments.get(0), arguments.get(1));
            default: throw new IllegalArgumentException(word);
        }
    }

    private static List<Object> hashes(List<String> paths) throws Exception {
        List<Object> found = new ArrayList<>();
        for (String path : paths) found.add(new Blake3().update(Files.readAllBytes(Paths.get(path))).hex());
        return found;
    }

    /** The same bytes fed in pieces of growing size. */
    private static String piecewise(Path path) throws Exception {
        byte[] bytes = Files.readAllBytes(path);
        Blake3 hash = new Blake3();
        for (int at = 0, size = 0; at < bytes.length; at += size) {
            size = Math.min(size + 1, bytes.length - at);
            hash.update(bytes, at, size);
        }
        return hash.hex();
    }

    private static List<Object> digests(List<String> paths) {
        Hasher hasher = Hasher.of(System.getenv());
        List<Object> found = new ArrayList<>();
        for (String path : paths) {
            Digest digest = hasher.digest(Paths.get(path));
            found.add(digest == null ? null : Arrays.asList(digest.type, digest.hash, digest.size, digest.files));
        }
        return found;
    }

    /** Texts with a NUL between them, masked. */
    private static List<Object> texts(Path path) throws Exception {
        List<Object> found = new ArrayList<>();
        String all = new String(Files.readAllBytes(path), StandardCharsets.UTF_8);
        for (String text : all.split("\0", -1)) found.add(Redaction.text(text));
        return found;
    }

    private static List<Object> secretNames(List<String> names) {
        List<Object> found = new ArrayList<>();
        for (String name : names) found.add(SecretName.isSecret(name, RedactionRules.read()));
        return found;
    }

    /** Milliseconds for a text of this many characters, made of one part again and again. */
    private static long redactionTime(String part, int size) {
        String text = part.repeat(size / part.length() + 1).substring(0, size);
        long start = System.nanoTime();
        Redaction.text(text);
        return (System.nanoTime() - start) / 1_000_000;
    }

    private static Object redacted(Path path) throws Exception {
        String text = new String(Files.readAllBytes(path), StandardCharsets.UTF_8);
        Map<String, Object> values = new LinkedHashMap<>();
        values.put("text", text);
        values.put("my_Password", "secret");
        values.put("apikey", "");
        values.put("nested", List.of(Map.of("AWS_ACCESS_KEY", "x", "plain", 3)));
        return Redaction.map(values);
    }

    private static List<Object> names(List<String> urls) {
        List<Object> found = new ArrayList<>();
        for (String url : urls) {
            DatasetName name = DatasetName.ofUrl(url);
            found.add(List.of(name.namespace, name.name));
        }
        return found;
    }

    /** As nextflow.processor.FileHolder is in 26.04; before, without {@code getSourcePath}. */
    public static final class Holder {
        private final Object source;
        private final Path store;
        private final String stageName;

        Holder(Object source, Path store, String stageName) {
            this.source = source;
            this.store = store;
            this.stageName = stageName;
        }

        public Object getSourceObj() {
            return source instanceof Path ? null : source;
        }

        public Path getSourcePath() {
            return source instanceof Path ? (Path) source : null;
        }

        public Path getStorePath() {
            return store;
        }

        public String getStageName() {
            return stageName;
        }
    }

    /** What is read of inputs and outputs in the shapes of each generation. */
    private static Object shapes() {
        Path work = Paths.get("/w/ab/cd");
        Holder plain = new Holder(Paths.get("/data/a.txt"), Paths.get("/data/a.txt"), "a.txt");
        Holder renamed = new Holder(Paths.get("/data/b.txt"), Paths.get("/data/b.txt"), "in/1.txt");
        Holder text = new Holder("some text", Paths.get("/w/tmp/x"), "input.1");
        Map<String, Object> record = new LinkedHashMap<>();
        record.put("id", "x");
        record.put("cut", work.resolve("x.txt"));
        record.put("more", List.of(Map.of("deep", work.resolve("y.txt")), "no path", 3));
        record.put("elsewhere", Paths.get("/data/a.txt"));
        Map<String, Object> shapes = new LinkedHashMap<>();
        shapes.put("map of lists", inputs(Map.of(new Object(), List.of(plain, renamed, text))));
        shapes.put("list", inputs(List.of(plain, renamed, text)));
        shapes.put("none", inputs(null));
        shapes.put("record", plain(TaskReader.outputs(Map.of(new Object(), record), work, null)));
        shapes.put("path", plain(TaskReader.outputs(Map.of(new Object(), work.resolve("x.txt")), work, null)));
        shapes.put("set", plain(TaskReader.outputs(Map.of(new Object(), java.util.Set.of(work.resolve("x.txt"))), work, null)));
        shapes.put("failed", plain(TaskReader.outputs(Map.of(), work, null)));
        shapes.put("stored", plain(TaskReader.outputs(Map.of(1, Paths.get("/store/r.txt")), work, Paths.get("/store"))));
        WorkflowOutput output = new WorkflowOutput("res", List.of(record), Paths.get("/results/index.json"));
        Map<String, Object> files = new LinkedHashMap<>();
        output.files().forEach((file, facet) -> files.put(file.toString(), facet));
        shapes.put("workflow output", files);
        shapes.put("single output", plain(new ArrayList<>(new WorkflowOutput("all", work.resolve("x.txt"), null).files().keySet())));
        return shapes;
    }

    private static List<Object> inputs(Object holders) {
        List<Object> found = new ArrayList<>();
        for (Input input : TaskReader.inputs(holders, new RemoteFiles())) found.add(Arrays.asList(input.name.toString(), input.stageName));
        return found;
    }

    private static List<Object> plain(List<Path> paths) {
        List<Object> found = new ArrayList<>();
        paths.forEach(path -> found.add(path.toString()));
        return found;
    }

    /** Bytes that stay in memory of each task that has ended and published a file, of so many. */
    private static long heap(int tasks) {
        Publications publications = new Publications();
        Job job = new Job("main.nf:STEP", "process", "x".repeat(1_000), null, null, null);
        RunReference workflow = new RunReference(RunIds.derived("workflow"), "nextflow", "main.nf");
        long before = used();
        for (int i = 0; i < tasks; i++) {
            Map<String, Object> details = new LinkedHashMap<>();
            for (int field = 0; field < 20; field++) details.put("field" + field, "value " + field + " of " + i);
            Run run = new Run(RunIds.derived("task", "" + i), job, "24.10.0", "STEP (" + i + ")", workflow, workflow, Map.of("x", i), 1, false, details);
            Attempt attempt = new Attempt(run);
            Path folder = Paths.get("/data/project/work/ab", RunIds.derived("folder", "" + i));
            publications.madeIn(folder, attempt);
            publications.madeIn(folder.resolve("out.txt"), attempt);
            Path there = Paths.get(System.getProperty("java.home")); // one that is not moved away
            publications.madeIn(there, attempt);
            publications.published(new Publication(Paths.get("/data/project/results/out" + i + ".txt"), there, java.time.Instant.now()));
            attempt.run = run.brief();
        }
        long bytes = (used() - before) / tasks;
        return publications.maker(Paths.get("/")) == null ? bytes : -1; // it is in use until here
    }

    private static long used() {
        for (int i = 0; i < 5; i++) System.gc();
        return Runtime.getRuntime().totalMemory() - Runtime.getRuntime().freeMemory();
    }

    private static List<Object> keys(List<String> names) {
        List<Object> found = new ArrayList<>();
        for (String name : names) found.add(Destination.key(name));
        return found;
    }

    private static List<Object> destinations() {
        List<Object> found = new ArrayList<>();
        for (Destination each : Destinations.of(System.getenv(), SpoolFolder.of(System.getenv()))) found.add(each.key);
        return found;
    }

    private static List<Object> slugs(List<String> repositories) {
        List<Object> found = new ArrayList<>();
        for (String repository : repositories) found.add(WorkflowReader.slug(repository));
        return found;
    }

    private static Object parent(String value) {
        RunReference parent = RunReference.fromEnvironment(Map.of("OPENLINEAGE_PARENT_ID", value));
        return parent == null ? null : List.of(parent.namespace, parent.name, parent.runId);
    }

    /** Status, then the file with the body, and so on. */
    private static List<Object> acknowledged(List<String> arguments) throws Exception {
        List<Object> problems = new ArrayList<>();
        for (int i = 0; i < arguments.size(); i += 2) {
            byte[] body = Files.readAllBytes(Paths.get(arguments.get(i + 1)));
            problems.add(Acknowledgement.problem(Integer.parseInt(arguments.get(i)), body, "http://elsewhere/"));
        }
        return problems;
    }

    /** What came of one event, in how many milliseconds, and with how many megabytes more in use at most. */
    private static Object posted(String url, String key) throws Exception {
        Runtime runtime = Runtime.getRuntime();
        long began = System.nanoTime();
        String problem = null;
        try {
            new HttpSink(new java.net.URL(url), key, Map.of(), true).emit("{}");
        } catch (java.io.IOException failure) {
            problem = failure.getMessage();
        }
        long used = (runtime.totalMemory() - runtime.freeMemory()) >> 20;
        return Arrays.asList(problem, (System.nanoTime() - began) / 1_000_000, used);
    }

    /** Deliver so many events, so many milliseconds apart; the longest that one of them held its thread, in milliseconds. */
    private static Object delivered(String url, int count, long pause) throws Exception {
        Map<String, String> environment = new LinkedHashMap<>(System.getenv());
        environment.put("OPENLINEAGE_URL", url);
        Delivery delivery = Delivery.of(Map.of(), environment);
        long longest = 0;
        for (int i = 0; i < count; i++) {
            Map<String, Object> event = Map.of("number", i);
            long began = System.nanoTime();
            delivery.submit(hasher -> event);
            longest = Math.max(longest, System.nanoTime() - began);
            Thread.sleep(pause);
        }
        delivery.finish(false);
        return longest / 1_000_000;
    }

    private static Object oddities() {
        Map<String, Object> values = new LinkedHashMap<>();
        StringBuilder controls = new StringBuilder();
        for (char c = 0; c < 0x21; c++) controls.append(c);
        values.put("controls", controls.append((char) 0x7f).append((char) 0x80).toString());
        values.put("quotes \" and \\", "\" \\ / ' </script>");
        values.put("unicode", "\u00e9 \u2028 \ud83d\ude00");
        values.put("lone surrogate", "a\ud800b");
        values.put("numbers", Arrays.asList(1, -2L, 0.5, 1e300, new java.math.BigDecimal("1E+3"), Double.NaN, Double.POSITIVE_INFINITY));
        values.put("empty", Arrays.asList(null, true, Map.of(), List.of(), ""));
        values.put("anything", new StringBuilder("text"));
        return values;
    }
}
