package lamin.nextflow;

import java.util.Map;

/** One execution of a job; one attempt is one run. */
final class Run {
    final String id;
    final Job job;
    final String engineVersion;
    final String name;
    final RunReference parent;
    final RunReference root;
    final Map<String, Object> params;
    final int attempt;
    final boolean cached;
    /** Null where they were already said. */
    final Map<String, Object> details;

    Run(String id, Job job, String engineVersion, String name, RunReference parent, RunReference root,
            Map<String, Object> params, int attempt, boolean cached, Map<String, Object> details) {
        this.id = id;
        this.job = job;
        this.engineVersion = engineVersion;
        this.name = name;
        this.parent = parent;
        this.root = root;
        this.params = params;
        this.attempt = attempt;
        this.cached = cached;
        this.details = details;
    }

    /** The same run, with what is known of it now. */
    Run with(Map<String, Object> newDetails) {
        return new Run(id, job, engineVersion, name, parent, root, params, attempt, cached, newDetails);
    }

    /** What it takes to say later what it published: of every task of a pipeline this stays in memory to its end. */
    Run brief() {
        return new Run(id, job, engineVersion, name, parent, root, Map.of(), attempt, cached, null);
    }

    RunReference reference() {
        return new RunReference(id, Events.ENGINE, job.name);
    }
}
