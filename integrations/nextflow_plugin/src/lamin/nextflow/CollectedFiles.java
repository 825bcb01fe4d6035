package lamin.nextflow;

import static lamin.nextflow.WorkflowReader.ask;

import groovyx.gpars.actor.impl.MessageStream;
import groovyx.gpars.dataflow.DataflowBroadcast;
import groovyx.gpars.dataflow.DataflowReadChannel;
import groovyx.gpars.dataflow.DataflowVariable;
import groovyx.gpars.dataflow.operator.ControlMessage;
import java.lang.reflect.Field;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.IdentityHashMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BiConsumer;
import java.util.function.Consumer;
import java.util.stream.Collectors;
import nextflow.Session;

/**
 * The files that one operator {@code collectFile} of the pipeline joins, and those that it writes. It is no task, and Nextflow has no
 * event of it; so its channels are listened to, from before the first value: the graph of the pipeline names them.
 */
final class CollectedFiles {
    static final String OPERATOR = "collectFile";

    /** Its number in the pipeline, from 0. */
    final int index;
    private final Set<Path> inputs = new LinkedHashSet<>();
    private final Set<Path> outputs = new LinkedHashSet<>();
    private Instant begin;
    private int openChannels;
    private boolean isTold;

    private CollectedFiles(int index) {
        this.index = index;
    }

    /** Listen to every such operator of a session whose network stands and has not begun; {@code ended} is called once for each. */
    static List<CollectedFiles> watch(Session session, Consumer<CollectedFiles> ended) {
        Map<Object, CollectedFiles> operators = new IdentityHashMap<>();
        ask(() -> {
            Object graph = session.getDag();
            for (Object vertex : (Iterable<?>) field(graph, "vertices")) {
                if (OPERATOR.equals(field(vertex, "label"))) operators.put(vertex, new CollectedFiles(operators.size()));
            }
            if (operators.isEmpty()) return null;
            for (Object edge : (Iterable<?>) field(graph, "edges")) {
                Object channel = field(edge, "channel");
                CollectedFiles reader = operators.get(field(edge, "to"));
                CollectedFiles writer = operators.get(field(edge, "from"));
                if (reader != null) reader.listen(channel, CollectedFiles::read, ended);
                if (writer != null) writer.listen(channel, CollectedFiles::written, ended);
            }
            return null;
        });
        return new ArrayList<>(operators.values());
    }

    private static Object field(Object target, String name) throws ReflectiveOperationException {
        Field field = target.getClass().getDeclaredField(name);
        field.setAccessible(true);
        return field.get(target);
    }

    private void listen(Object channel, BiConsumer<CollectedFiles, Path> visit, Consumer<CollectedFiles> ended) {
        DataflowReadChannel<?> values = reader(channel);
        if (values == null) return;
        openChannels++;
        new Listener(values, value -> {
            boolean isLast = value instanceof ControlMessage;
            if (!isLast) Values.eachLeaf(value, leaf -> note(leaf, visit));
            if ((isLast || channel instanceof DataflowVariable) && close()) ended.accept(this);
        }).next();
    }

    /** Takes no value away from anybody. Called on the threads of Nextflow: so it only takes down what it sees. */
    private static final class Listener extends MessageStream {
        private static final long serialVersionUID = 1;

        private final transient DataflowReadChannel<?> values;
        private final transient Consumer<Object> visit;
        private final AtomicInteger due = new AtomicInteger();

        Listener(DataflowReadChannel<?> values, Consumer<Object> visit) {
            this.values = values;
            this.visit = visit;
        }

        /** Ask for one more value. One that is there comes at once, by this thread: so a loop, for values enough would end the stack. */
        void next() {
            if (due.getAndIncrement() > 0) return;
            do values.getValAsync(this);
            while (due.decrementAndGet() > 0);
        }

        @Override
        public MessageStream send(Object value) {
            ask(() -> {
                visit.accept(value);
                if (!(value instanceof ControlMessage || values instanceof DataflowVariable)) next();
                return null;
            });
            return this;
        }
    }

    private static DataflowReadChannel<?> reader(Object channel) {
        if (channel instanceof DataflowBroadcast) return ((DataflowBroadcast<?>) channel).createReadChannel();
        return channel instanceof DataflowVariable ? (DataflowVariable<?>) channel : null;
    }

    private synchronized void note(Object leaf, BiConsumer<CollectedFiles, Path> visit) {
        if (begin == null) begin = Instant.now();
        if (leaf instanceof Path) visit.accept(this, (Path) leaf);
    }

    private void read(Path file) {
        inputs.add(file);
    }

    private void written(Path file) {
        outputs.add(file);
    }

    private synchronized boolean close() {
        return --openChannels == 0;
    }

    /** Its files, each output with its inputs, once; empty where nothing was written. */
    synchronized Map<List<Path>, List<Path>> take() {
        if (isTold || outputs.isEmpty()) return Map.of();
        isTold = true;
        Map<List<Path>, List<Path>> files = byName();
        return files.isEmpty() ? Map.of(sorted(outputs), sorted(inputs)) : files;
    }

    private static List<Path> sorted(Set<Path> files) {
        return files.stream().sorted(Comparator.comparing(Path::toString)).collect(Collectors.toList());
    }

    /** Where it joins what has the same name: each file with its own inputs. Empty where names do not tell. */
    private Map<List<Path>, List<Path>> byName() {
        Map<List<Path>, List<Path>> files = new LinkedHashMap<>();
        int matched = 0;
        for (Path output : outputs) {
            List<Path> own = inputs.stream().filter(input -> isNamedAlike(input, output)).collect(Collectors.toList());
            matched += own.size();
            if (!own.isEmpty()) files.put(List.of(output), own);
        }
        return files.size() == outputs.size() && matched == inputs.size() ? files : Map.of();
    }

    private static boolean isNamedAlike(Path input, Path output) {
        return String.valueOf(input.getFileName()).equals(String.valueOf(output.getFileName()));
    }

    synchronized Instant begin() {
        return begin;
    }

    /** The run of these files, in this run of the workflow: named by its first file. */
    Run run(Run workflow, List<Path> files) {
        Job within = workflow.job;
        Job job = new Job(within.name + ":" + OPERATOR, "operator", null, within.repository, within.commit, null);
        String file = String.valueOf(files.get(0).getFileName());
        String more = files.size() == 1 ? "" : ", " + (files.size() - 1) + " more";
        RunReference root = workflow.root != null ? workflow.root : workflow.reference();
        return new Run(RunIds.derived(workflow.id, OPERATOR, String.valueOf(index), file), job, workflow.engineVersion,
            OPERATOR + " (" + file + more + ")", workflow.reference(), root, Map.of(), 1, false, Map.of("operator", OPERATOR));
    }
}
