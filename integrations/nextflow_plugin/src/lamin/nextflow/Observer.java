package lamin.nextflow;

import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.Collectors;
import nextflow.Session;
import nextflow.processor.TaskHandler;
import nextflow.processor.TaskProcessor;
import nextflow.processor.TaskRun;
import nextflow.script.ScriptType;
import nextflow.trace.TraceObserver;
import nextflow.trace.TraceRecord;

/**
 * Nextflow's hooks, told as run events: the workflow is a run, each attempt of a task is a child run.
 *
 * <p>Compiled against 24.10 it serves 22.10 to 26.04. A hook only takes down what it sees; files are read by {@link Delivery}.
 * No hook lets anything out: up to 24.10 an exception in one of the flow hooks would abort the pipeline.
 */
final class Observer implements TraceObserver {
    private interface Hook {
        void run() throws Throwable;
    }

    private final Delivery delivery;
    private final boolean metrics;
    private final Publications publications = new Publications();
    private final Map<TaskRun, Attempt> open = Collections.synchronizedMap(new IdentityHashMap<>());
    private final Map<String, Job> jobs = new ConcurrentHashMap<>();
    private volatile Session session;
    private volatile Instant createdAt = Instant.now();
    private volatile Run workflow;
    private final RemoteFiles remote = new RemoteFiles();
    private final Map<String, Object> outputs = new ConcurrentHashMap<>();
    private volatile List<CollectedFiles> collected = List.of();
    private volatile boolean isV2;
    private volatile boolean ended;
    private volatile boolean warned;

    Observer(Delivery delivery, boolean metrics) {
        this.delivery = delivery;
        this.metrics = metrics;
    }

    @Override
    public void onFlowCreate(Session created) {
        quietly(() -> {
            session = created;
            createdAt = Instant.now();
            remote.watch(created);
            isV2 = ObserverV2.register(created, new HooksV2());
        });
    }

    /** Only here are all parameters known, and all channels: the script has run, the tasks have not. */
    @Override
    public void onFlowBegin() {
        quietly(this::workflow);
        quietly(() -> collected = CollectedFiles.watch(session, files -> quietly(() -> collected(files))));
    }

    private void collected(CollectedFiles collected) {
        collected.take().forEach((outputs, inputs) -> {
            Attempt maker = new Attempt(collected.run(workflow(), outputs));
            Run run = maker.run;
            Instant at = Instant.now();
            List<Input> read = inputs.stream().map(Input::new).collect(Collectors.toList());
            delivery.submit(inputs, hasher -> Events.start(run, collected.begin(), read(read, hasher)));
            Map<Path, Digest> written = new LinkedHashMap<>();
            outputs.forEach(file -> {
                written.put(file, size(file));
                publications.madeIn(file, maker);
            });
            delivery.submit(outputs, hasher -> Events.complete(run, at, written(written, maker, hasher)));
        });
    }

    private synchronized Run workflow() {
        if (workflow == null) {
            Run run = WorkflowReader.run(session, System.getenv());
            Instant at = createdAt;
            publications.findByContent(run.engineVersion.startsWith("22."));
            delivery.submit(hasher -> Events.start(run, at, List.of()));
            workflow = run;
        }
        return workflow;
    }

    /** Early enough to put the run into the task's environment, where a tracked program in its script finds its parent. */
    @Override
    public void onProcessPending(TaskHandler handler, TraceRecord trace) {
        quietly(() -> {
            TaskRun task = handler.getTask();
            Attempt attempt = new Attempt(newRun(task, trace, false));
            open.put(task, attempt);
            if (task.getType() != ScriptType.SCRIPTLET) return;
            exportParent(task, attempt.run);
            if (TaskReader.isPrepared(task)) handler.prepareLauncher(); // once more: the first time was without its parent
        });
    }

    private Run newRun(TaskRun task, TraceRecord trace, boolean cached) {
        Run within = workflow();
        Job job = jobs.computeIfAbsent(task.getProcessor().getName(), name -> TaskReader.job(within.job, task));
        return TaskReader.run(within, job, task, trace, cached);
    }

    private static void exportParent(TaskRun task, Run run) {
        StringBuilder script = new StringBuilder();
        // beforeScript is no part of the task's hash: with and without us the same tasks are cached.
        run.reference().environmentForChildren(run.root).forEach((name, value) ->
            script.append("export ").append(name).append("='").append(value.replace("'", "'\\''")).append("'\n"));
        String own = task.getConfig().getBeforeScript();
        task.getConfig().put("beforeScript", own == null ? script.toString() : script + own);
    }

    @Override
    public void onProcessSubmit(TaskHandler handler, TraceRecord trace) {
        quietly(() -> start(handler.getTask(), trace, false));
    }

    private Attempt start(TaskRun task, TraceRecord trace, boolean cached) {
        Attempt attempt = open.computeIfAbsent(task, t -> new Attempt(newRun(t, trace, cached)));
        attempt.started = true;
        attempt.run = attempt.run.with(TaskReader.details(task, trace));
        publications.madeIn(task.getWorkDir(), attempt);
        List<Input> inputs = TaskReader.inputs(task, remote);
        Run run = attempt.run;
        Instant at = cached ? Instant.now() : TaskReader.time(trace, "submit");
        List<Path> files = inputs.stream().map(input -> input.bytes).collect(Collectors.toList());
        delivery.submit(files, hasher -> Events.start(run, at, read(inputs, hasher)));
        return attempt;
    }

    @Override
    public void onProcessStart(TaskHandler handler, TraceRecord trace) {}

    @Override
    public void onProcessComplete(TaskHandler handler, TraceRecord trace) {
        quietly(() -> {
            TaskRun task = handler.getTask();
            Attempt attempt = open.get(task);
            if (attempt == null || !attempt.started) attempt = start(task, trace, false); // it never came to be submitted
            end(attempt, task, trace);
        });
    }

    /** Also for what a {@code storeDir} holds already, then without a trace. */
    @Override
    public void onProcessCached(TaskHandler handler, TraceRecord trace) {
        quietly(() -> {
            TaskRun task = handler.getTask();
            complete(start(task, trace, true), task, trace, Instant.now()); // its trace is of the run that made it
        });
    }

    private void end(Attempt attempt, TaskRun task, TraceRecord trace) {
        boolean sessionEnded = session.isAborted() || session.isCancelled();
        if (TaskReader.isAborted(task, sessionEnded)) {
            close(attempt, task, trace);
            abort(attempt, "ended with the workflow");
        } else if (task.isFailed()) {
            Run run = close(attempt, task, trace);
            Instant at = TaskReader.time(trace, "complete");
            delivery.submit(hasher -> Events.fail(run, at, TaskReader.failure(task), TaskReader.trace(task)));
        } else {
            complete(attempt, task, trace, TaskReader.time(trace, "complete"));
        }
    }

    private void complete(Attempt attempt, TaskRun task, TraceRecord trace, Instant at) {
        Run run = close(attempt, task, trace);
        Map<Path, Digest> outputs = new LinkedHashMap<>();
        for (Path output : TaskReader.outputs(task)) {
            outputs.put(output, size(output));
            publications.madeIn(output, attempt); // those of a storeDir lie in no work folder
        }
        delivery.submit(outputs.keySet(), hasher -> Events.complete(run, at, written(outputs, attempt, hasher)));
        attempt.run = run.brief();
    }

    private Run close(Attempt attempt, TaskRun task, TraceRecord trace) {
        open.remove(task);
        attempt.run = attempt.run.with(TaskReader.details(task, trace));
        return attempt.run;
    }

    private void abort(Attempt attempt, String reason) {
        Run run = attempt.run;
        Instant at = Instant.now();
        delivery.submit(hasher -> Events.abort(run, at, reason));
    }

    /** Taken at once, for the file may be gone when its turn comes. */
    private static Digest size(Path path) {
        try {
            return DatasetName.isLocal(path) && Files.isRegularFile(path) ? Digest.ofSize(Files.size(path)) : null;
        } catch (Exception unreadable) {
            return null;
        }
    }

    private static List<Dataset> read(List<Input> inputs, Hasher hasher) {
        List<Dataset> found = new ArrayList<>();
        for (Input input : inputs) {
            found.add(new Dataset(DatasetName.of(input.name), hasher.digest(input.bytes), null, input.details(), List.of()));
        }
        return found;
    }

    private List<Dataset> written(Map<Path, Digest> outputs, Attempt attempt, Hasher hasher) throws InterruptedException {
        List<Dataset> found = new ArrayList<>();
        for (Map.Entry<Path, Digest> output : outputs.entrySet()) {
            Digest content = publications.content(output.getKey(), hasher);
            Dataset dataset = new Dataset(DatasetName.of(output.getKey()), content == null ? output.getValue() : content, null);
            publications.made(dataset, attempt);
            found.add(dataset);
        }
        return found;
    }

    /** Nextflow 22.10 calls only this. */
    @Override
    public void onFilePublish(Path target) {
        onFilePublish(target, null);
    }

    @Override
    public void onFilePublish(Path target, Path source) {
        if (!isV2) quietly(() -> publish(target, source, List.of()));
    }

    private void publish(Path target, Path source, List<String> labels) {
        Publication publication = new Publication(target, source, Instant.now(), labels);
        Attempt maker = publications.published(publication);
        if (maker != null) publish(publication, maker);
    }

    /** The rows of an output are known at the end, when all of its files are published. */
    private void output(WorkflowOutput output) {
        outputs.put(output.name, output.summary());
        Map<Attempt, List<Dataset>> byTask = new LinkedHashMap<>();
        output.files().forEach((file, facet) -> {
            Attempt maker = publications.publisher(file);
            if (maker == null) return;
            byTask.computeIfAbsent(maker, task -> new ArrayList<>()).add(Dataset.ofWorkflowOutput(DatasetName.of(file), facet));
        });
        Instant at = Instant.now();
        byTask.forEach((task, files) -> delivery.submit(hasher -> Events.running(task.run, at, files)));
    }

    private final class HooksV2 implements ObserverV2.Hooks {
        @Override
        public void published(Path target, Path source, List<String> labels) {
            quietly(() -> publish(target, source, labels));
        }

        @Override
        public void output(String name, Object value, Path index) {
            quietly(() -> Observer.this.output(new WorkflowOutput(name, value, index)));
        }
    }

    private void publish(Publication publication, Attempt maker) {
        delivery.submit(List.of(publication.target), hasher -> published(publication, publication.dataset(hasher, createdAt), maker.run, maker.doubts));
    }

    private static Map<String, Object> published(Publication publication, Dataset dataset, Run run, List<String> doubts) {
        if (dataset != null) return Events.running(run, publication.at, List.of(dataset));
        doubts.add("it did not publish '" + DatasetName.of(publication.target).name + "', which holds other bytes than its own");
        return Events.doubted(run, publication.at, List.copyOf(doubts));
    }

    private void publishRemaining() {
        List<String> doubts = new ArrayList<>();
        for (Publication publication : publications.remaining()) {
            Attempt maker = publication.source == null ? null : publications.maker(publication.source);
            if (maker != null) publish(publication, maker);
            else delivery.submit(hasher -> unknown(publication, publication.dataset(hasher, createdAt), doubts));
        }
    }

    /** Of a file whose task is not told: the task that made this content, else the workflow if it is new. */
    private Map<String, Object> unknown(Publication publication, Dataset dataset, List<String> doubts) {
        Attempt likely = publication.isSourceTold || dataset == null ? null : publications.maker(dataset);
        if (likely != null) return published(publication, dataset, likely.run, likely.doubts);
        boolean isNew = publication.isSourceTold || publication.isWrittenSince(createdAt);
        return published(publication, isNew ? dataset : null, workflow, doubts);
    }

    /** When the script itself fails, before any task, up to 25.04 this is the last that is heard. */
    @Override
    public void onFlowError(TaskHandler handler, TraceRecord trace) {
        quietly(() -> {
            if (workflow == null && session != null && session.isAborted()) finish();
        });
    }

    @Override
    public void onFlowComplete() {
        quietly(this::finish);
    }

    private synchronized void finish() {
        if (ended || session == null) return; // 26.04 may say it twice
        ended = true;
        workflow();
        abortOpen();
        collected.forEach(this::collected); // of an operator that did not come to its end
        publishRemaining();
        endWorkflow();
        delivery.finish(WorkflowReader.interruption(session) != null);
    }

    /** Some versions never tell the end of tasks that were running when the workflow failed. */
    private void abortOpen() {
        List<Attempt> left;
        synchronized (open) {
            left = new ArrayList<>(open.values());
            open.clear();
        }
        for (Attempt attempt : left) {
            if (attempt.started) abort(attempt, "ended with the workflow");
        }
    }

    private void endWorkflow() {
        Map<String, Object> details = WorkflowReader.details(session);
        if (!outputs.isEmpty()) details.put("outputs", new TreeMap<>(outputs));
        Run run = workflow.with(details);
        Instant at = Instant.now();
        String interruption = WorkflowReader.interruption(session);
        if (session.isSuccess()) delivery.submit(hasher -> Events.complete(run, at, List.of()));
        else if (interruption != null) delivery.submit(hasher -> Events.abort(run, at, interruption));
        else delivery.submit(hasher -> Events.fail(run, at, WorkflowReader.failure(session), WorkflowReader.report(session)));
    }

    private void quietly(Hook hook) {
        try {
            hook.run();
        } catch (Throwable problem) {
            if (!warned) Warnings.say("some lineage is missing: " + problem);
            warned = true;
        }
    }

    @Override
    public void onProcessCreate(TaskProcessor process) {}

    @Override
    public void onProcessTerminate(TaskProcessor process) {}

    @Override
    public void onWorkflowPublish(Object value) {}

    /**
     * Memory and processor time of each task, only where the user wants them: Nextflow measures by programs beside the task, which
     * take longer than a short task and need {@code ps} in its image.
     */
    @Override
    public boolean enableMetrics() {
        return metrics;
    }
}
