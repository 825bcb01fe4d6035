package lamin.nextflow;

import java.util.Map;

/** Another run, by its OpenLineage run id and its job. */
final class RunReference {
    final String runId;
    final String namespace;
    final String name;

    RunReference(String runId, String namespace, String name) {
        this.runId = runId;
        this.namespace = namespace;
        this.name = name;
    }

    /** The run that started this process ({@code OPENLINEAGE_PARENT_ID} is namespace/job/runId), or null. */
    static RunReference fromEnvironment(Map<String, String> environment) {
        String value = environment.getOrDefault("OPENLINEAGE_PARENT_ID", "");
        int first = value.indexOf('/');
        int last = value.lastIndexOf('/');
        if (first < 0 || last <= first || last == value.length() - 1) return null;
        return new RunReference(value.substring(last + 1), value.substring(0, first), value.substring(first + 1, last));
    }

    /** What processes started by this run find in their environment. */
    Map<String, String> environmentForChildren() {
        return Map.of(
            "OPENLINEAGE_PARENT_ID", namespace + "/" + name + "/" + runId,
            "LAMIN_INITIATED_BY_RUN_UID", RunIds.uid(runId));
    }
}
