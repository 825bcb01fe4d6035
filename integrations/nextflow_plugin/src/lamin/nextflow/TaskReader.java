package lamin.nextflow;

import static lamin.nextflow.WorkflowReader.ask;

import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import nextflow.processor.TaskRun;
import nextflow.trace.TraceRecord;

/**
 * What a task says of itself. The ways that differ between generations of Nextflow are asked by name.
 */
final class TaskReader {
    private static final Set<String> UNTOLD = Set.of("script", "env", "name", "attempt", "hash", "exit", "status", "process");
    private static final int NOT_ENDED = Integer.MAX_VALUE;
    private static final int LONGEST_PARAM = 1_000;
    private static final int TRACE_LINES = 50;

    private TaskReader() {}

    /** One attempt of a task, within its workflow. */
    static Run run(Run workflow, Job job, TaskRun task, TraceRecord trace, boolean cached) {
        int attempt = attempt(task);
        Object hash = ask(() -> task.getHash());
        // A task found in its storeDir has no hash: its number in the process tells it from its siblings.
        String identity = hash != null ? hash.toString() : "stored " + task.getName() + " " + ask(() -> task.getIndex());
        RunReference root = workflow.root != null ? workflow.root : workflow.reference();
        return new Run(RunIds.derived(workflow.id, identity, String.valueOf(attempt)), job,
            workflow.engineVersion, task.getName(), workflow.reference(), root, params(task), attempt, cached, details(task, trace));
    }

    /** The process of this task. */
    static Job job(Job workflow, TaskRun task) {
        String process = task.getProcessor().getName();
        // The process's own code as it is written down: the task's script has inputs and parameters filled in.
        String source = ask(() -> task.getProcessor().getTaskBody().getSource());
        String previous = workflow.previousName == null ? null : workflow.previousName + ":" + process;
        return new Job(workflow.name + ":" + process, "process", source, workflow.repository, workflow.commit, previous);
    }

    /** Whether what starts it is written already: so it is of one of a task array, before anybody is told of the task. */
    static boolean isPrepared(TaskRun task) {
        if (ask(() -> task.getProcessor().getConfig().get("array")) == null) return false;
        return Boolean.TRUE.equals(ask(() -> DatasetName.isLocal(task.getWorkDir()) && Files.exists(task.getWorkDir().resolve(TaskRun.CMD_RUN))));
    }

    private static int attempt(TaskRun task) {
        Object attempt = ask(() -> task.getConfig().get("attempt"));
        return attempt instanceof Number ? ((Number) attempt).intValue() : 1;
    }

    /** The values of its {@code val} inputs, where they are simple. */
    private static Map<String, Object> params(TaskRun task) {
        Map<String, Object> found = new LinkedHashMap<>();
        Map<?, ?> inputs = ask(() -> (Map<?, ?>) task.getInputs());
        if (inputs == null) return found;
        for (Map.Entry<?, ?> entry : inputs.entrySet()) {
            if (!entry.getKey().getClass().getSimpleName().equals("ValueInParam") || !Values.isSimple(entry.getValue())) continue;
            Object name = ask(() -> entry.getKey().getClass().getMethod("getName").invoke(entry.getKey()));
            Object value = Values.plain(entry.getValue());
            if (name != null && Json.write(value).length() <= LONGEST_PARAM) found.put(name.toString(), value);
        }
        return found;
    }

    /** Exit status, hash and folders, and what the trace has. */
    static Map<String, Object> details(TaskRun task, TraceRecord trace) {
        Map<String, Object> found = new LinkedHashMap<>();
        found.put("process", task.getProcessor().getName());
        found.put("hash", plain(ask(() -> task.getHash())));
        Integer exit = ask(() -> task.getExitStatus());
        if (exit != null && exit != NOT_ENDED) found.put("exit", exit);
        found.put("workdir", plain(ask(() -> task.getWorkDir())));
        found.put("container", plain(ask(() -> task.getContainer())));
        found.put("executor", plain(ask(() -> task.getProcessor().getExecutor().getName())));
        found.put("labels", labels(task));
        for (String field : fields(trace)) {
            if (!UNTOLD.contains(field)) found.putIfAbsent(field, Values.plain(ask(() -> trace.get(field))));
        }
        // A zero is a time or a measure that is not known yet, but for the exit status.
        found.entrySet().removeIf(entry -> isUnknown(entry.getValue()) && !entry.getKey().equals("exit"));
        return found;
    }

    /** Of its process: the directive {@code label}, and {@code resourceLabels} as name=value. */
    private static List<String> labels(TaskRun task) {
        List<String> found = new ArrayList<>();
        Values.eachLeaf(ask(() -> task.getConfig().get("label")), label -> found.add(String.valueOf(label)));
        Map<?, ?> resources = ask(() -> (Map<?, ?>) task.getConfig().getResourceLabels());
        if (resources != null) resources.forEach((name, value) -> found.add(name + "=" + value));
        return found;
    }

    private static Set<String> fields(TraceRecord trace) {
        Set<String> fields = trace == null ? null : ask(() -> trace.keySet());
        return fields == null ? Set.of() : fields;
    }

    private static boolean isUnknown(Object value) {
        return value == null || value.equals("") || value.equals(List.of()) || value.equals(0L);
    }

    /** When the trace says that it was submitted, or that it was complete: its readers may be submitted before we are told. */
    static Instant time(TraceRecord trace, String field) {
        Object milliseconds = trace == null ? null : ask(() -> trace.get(field));
        boolean known = milliseconds instanceof Long && (Long) milliseconds > 0;
        return known ? Instant.ofEpochMilli((Long) milliseconds) : Instant.now();
    }

    private static Object plain(Object value) {
        return value == null ? null : Values.plain(value instanceof Path ? value : value.toString());
    }

    /**
     * The files it reads, each as its producer or the user named it, not as the link in the work folder, and where its bytes
     * are. Of a remote file up to 25.04 only the staged copy is told: see {@link RemoteFiles}. An input made from a string has no producer and is left out.
     */
    static List<Input> inputs(TaskRun task, RemoteFiles remote) {
        return inputs(ask(() -> task.getClass().getMethod("getInputFiles").invoke(task)), remote);
    }

    /** Of what Nextflow has for them: a map of parameters to lists of holders, since 25.10 a list of holders. */
    static List<Input> inputs(Object holders, RemoteFiles remote) {
        Map<Path, Input> found = new LinkedHashMap<>();
        Values.eachLeaf(holders, holder -> {
            Object source = source(holder);
            if (!(source instanceof Path)) return;
            Object stored = DatasetName.isLocal((Path) source) ? source : call(holder, "getStorePath");
            Path bytes = stored instanceof Path ? (Path) stored : (Path) source;
            Path address = DatasetName.isLocal((Path) source) ? remote.address((Path) source) : null;
            Path name = address == null ? (Path) source : address;
            found.put(name, new Input(name, bytes, stageName(holder, name)));
        });
        return new ArrayList<>(found.values());
    }

    private static String stageName(Object holder, Path file) {
        Object stageName = call(holder, "getStageName");
        boolean isPlain = stageName == null || file.getFileName() == null || stageName.toString().equals(file.getFileName().toString());
        return isPlain ? null : stageName.toString();
    }

    private static Object source(Object holder) {
        Object source = call(holder, "getSourceObj");
        return source != null ? source : call(holder, "getSourcePath");
    }

    private static Object call(Object target, String getter) {
        return ask(() -> target.getClass().getMethod(getter).invoke(target));
    }

    /** The files it declares to make: what its outputs hold of its own folder, or of its {@code storeDir}. */
    static List<Path> outputs(TaskRun task) {
        return outputs(ask(() -> (Map<?, ?>) task.getOutputs()), ask(() -> task.getWorkDir()), ask(() -> task.getConfig().getStoreDir()));
    }

    /** Of the values of its outputs: paths, and since 26.04 records of them; whatever their parameters are. */
    static List<Path> outputs(Object values, Path work, Path stored) {
        Set<Path> found = new LinkedHashSet<>();
        Values.eachLeaf(values, value -> {
            if (value instanceof Path && isOwn((Path) value, work, stored)) found.add((Path) value);
        });
        return new ArrayList<>(found);
    }

    private static boolean isOwn(Path file, Path work, Path stored) {
        boolean inWork = work != null && file.startsWith(work) && !file.startsWith(work.resolve(".command.out"));
        return inWork || stored != null && file.startsWith(stored);
    }

    /** Whether it was ended by the end of the workflow, not by a fault of its own. */
    static boolean isAborted(TaskRun task, boolean sessionEnded) {
        if (Boolean.TRUE.equals(ask(() -> task.isAborted()))) return true;
        Integer exit = ask(() -> task.getExitStatus());
        return sessionEnded && !task.isFailed() && exit != null && exit == NOT_ENDED;
    }

    /** Why it failed: Nextflow's reason, and the last thing it said itself. */
    static String failure(TaskRun task) {
        Throwable error = ask(() -> task.getError());
        Integer exit = ask(() -> task.getExitStatus());
        String reason = error != null && error.getMessage() != null ? error.getMessage()
            : exit == null || exit == NOT_ENDED ? "the task failed" : "exit status " + exit;
        return withComplaint(reason, task);
    }

    /** The reason, and the last line that the task wrote to its standard error. */
    static String withComplaint(String reason, TaskRun task) {
        List<String> said = complaint(task);
        return said.isEmpty() ? reason : reason + ": " + said.get(said.size() - 1).trim();
    }

    /** The end of its standard error, or null. */
    static String trace(TaskRun task) {
        List<String> said = complaint(task);
        return said.isEmpty() ? null : String.join("\n", said);
    }

    private static List<String> complaint(TaskRun task) {
        List<String> lines = ask(() -> task.dumpStderr(TRACE_LINES));
        List<String> said = new ArrayList<>(lines == null ? List.of() : lines);
        said.removeIf(line -> line.trim().isEmpty());
        return said;
    }
}
