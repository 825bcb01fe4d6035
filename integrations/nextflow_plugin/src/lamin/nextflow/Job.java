package lamin.nextflow;

import java.util.Map;

/** A piece of code that can run: the workflow, or one of its processes. Null is unknown. */
final class Job {
    final String name;
    final String type;
    final String source;
    final String repository;
    final String commit;
    /** What an earlier release called it. */
    final String previousName;
    /** As events have them: made once, for to mask its code takes longer than all else of an event. */
    volatile Map<String, Object> facets;

    Job(String name, String type, String source, String repository, String commit, String previousName) {
        this.name = name;
        this.type = type;
        this.source = source;
        this.repository = repository;
        this.commit = commit;
        this.previousName = previousName;
    }
}
