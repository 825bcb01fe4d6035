package lamin.nextflow;

import java.util.List;
import java.util.Map;

/** A file, folder or object that a run read or wrote; without a digest its content is unknown. */
final class Dataset {
    final DatasetName name;
    final Digest content;
    final String role;
    /** What Nextflow says of it beyond the standard: {@code stageName}, {@code copyOf}. */
    final Map<String, Object> details;
    final List<String> labels;
    /** Of a published file that an output of the workflow has: {@code name}, {@code index}, {@code metadata}. Then all else was said before. */
    final Map<String, Object> workflowOutput;

    Dataset(DatasetName name, Digest content, String role) {
        this(name, content, role, Map.of(), List.of());
    }

    Dataset(DatasetName name, Digest content, String role, Map<String, Object> details, List<String> labels) {
        this(name, content, role, details, labels, null);
    }

    private Dataset(DatasetName name, Digest content, String role, Map<String, Object> details, List<String> labels,
            Map<String, Object> workflowOutput) {
        this.name = name;
        this.content = content;
        this.role = role;
        this.details = details;
        this.labels = labels;
        this.workflowOutput = workflowOutput;
    }

    static Dataset ofWorkflowOutput(DatasetName name, Map<String, Object> workflowOutput) {
        return new Dataset(name, null, null, Map.of(), List.of(), workflowOutput);
    }
}
