package lamin.nextflow;

import java.util.LinkedHashMap;
import java.util.Map;

/** Another run, by its OpenLineage run id and its job. */
final class RunReference {
    private static final String PARENT = "OPENLINEAGE_PARENT_ID";
    private static final String ROOT = "OPENLINEAGE_ROOT_PARENT_ID";

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
        return read(environment.getOrDefault(PARENT, ""));
    }

    /** The run that started everything, where it is said; else the one above. */
    static RunReference rootFromEnvironment(Map<String, String> environment) {
        RunReference root = read(environment.getOrDefault(ROOT, ""));
        return root == null ? fromEnvironment(environment) : root;
    }

    private static RunReference read(String value) {
        int first = value.indexOf('/');
        int last = value.lastIndexOf('/');
        if (first < 0 || last <= first || last == value.length() - 1) return null;
        return new RunReference(value.substring(last + 1), value.substring(0, first), value.substring(first + 1, last));
    }

    /** What processes started by this run find in their environment: the variables of lamin_core/propagation.py. */
    Map<String, String> environmentForChildren(RunReference root) {
        Map<String, Object> parent = new LinkedHashMap<>(Events.runAndJob(this));
        parent.put("root", Events.runAndJob(root));
        return Map.of(
            "OPENLINEAGE_CONTEXT", Json.write(Map.of("parent", parent)),
            PARENT, path(),
            ROOT, root.path(),
            "LAMIN_INITIATED_BY_RUN_UID", RunIds.uid(runId));
    }

    private String path() {
        return namespace + "/" + name + "/" + runId;
    }
}
