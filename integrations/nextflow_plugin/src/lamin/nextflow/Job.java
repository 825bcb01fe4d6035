package lamin.nextflow;

/** A piece of code that can run: the workflow, or one of its processes. Null is unknown. */
final class Job {
    final String name;
    final String type;
    final String source;
    final String repository;
    final String commit;

    Job(String name, String type, String source, String repository, String commit) {
        this.name = name;
        this.type = type;
        this.source = source;
        this.repository = repository;
        this.commit = commit;
    }
}
