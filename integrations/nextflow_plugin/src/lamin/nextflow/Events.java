package lamin.nextflow;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * OpenLineage run events, in the very form of openlineage/lamin/events.py and facets.py (a test rebuilds every event there).
 * Nothing here touches a file or a socket, but to learn once which process this is.
 */
final class Events {
    static final String ENGINE = "nextflow";
    private static final String PRODUCER = "urn:lamin-core:" + version();
    private static final String SCHEMA = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent";
    private static final DateTimeFormatter TIME =
        DateTimeFormatter.ofPattern("yyyy-MM-dd'T'HH:mm:ss.SSSSSS'Z'").withZone(ZoneOffset.UTC);

    private Events() {}

    static Map<String, Object> start(Run run, Instant at, List<Dataset> inputs) {
        Map<String, Object> event = event("START", run, at, inputs, List.of());
        facets(event).put("lamin_process", own("LaminProcessRunFacet", "1-0-0",
            "host", ThisProcess.HOST, "pid", ThisProcess.PID, "birth", ThisProcess.BIRTH));
        return event;
    }

    static Map<String, Object> running(Run run, Instant at, List<Dataset> outputs) {
        return event("RUNNING", run, at, List.of(), outputs);
    }

    /** What cannot be right of what the engine says of this run: all of it each time, for facets are replaced whole. */
    static Map<String, Object> doubted(Run run, Instant at, List<String> doubts) {
        Map<String, Object> event = running(run, at, List.of());
        facets(event).put("lamin_doubts", own("LaminDoubtsRunFacet", "1-0-0", "doubts", doubts));
        return event;
    }

    static Map<String, Object> complete(Run run, Instant at, List<Dataset> outputs) {
        return event("COMPLETE", run, at, List.of(), outputs);
    }

    static Map<String, Object> fail(Run run, Instant at, String message, String trace) {
        return withError(event("FAIL", run, at, List.of(), List.of()), message, trace);
    }

    static Map<String, Object> abort(Run run, Instant at, String reason) {
        return withError(event("ABORT", run, at, List.of(), List.of()), reason, null);
    }

    private static Map<String, Object> event(String kind, Run run, Instant at, List<Dataset> inputs, List<Dataset> outputs) {
        return of(
            "eventType", kind,
            "eventTime", TIME.format(at),
            "producer", PRODUCER,
            "schemaURL", SCHEMA,
            "run", of("runId", run.id, "facets", runFacets(run)),
            "job", of("namespace", ENGINE, "name", Redaction.text(run.job.name), "facets", jobFacets(run.job)),
            "inputs", datasets(inputs),
            "outputs", datasets(outputs));
    }

    @SuppressWarnings("unchecked")
    private static Map<String, Object> facets(Map<String, Object> event) {
        return (Map<String, Object>) ((Map<String, Object>) event.get("run")).get("facets");
    }

    private static Map<String, Object> withError(Map<String, Object> event, String message, String trace) {
        facets(event).put("errorMessage", standard("ErrorMessageRunFacet", "1-0-1",
            "message", Redaction.text(message),
            "programmingLanguage", ENGINE,
            "stackTrace", trace == null ? null : Redaction.text(trace)));
        return event;
    }

    private static Map<String, Object> runFacets(Run run) {
        Map<String, Object> facets = of(
            "processing_engine", standard("ProcessingEngineRunFacet", "1-1-1", "version", run.engineVersion, "name", ENGINE));
        if (run.details != null) describe(run, facets);
        if (run.parent != null) {
            Map<String, Object> parent = standard("ParentRunFacet", "1-1-0");
            parent.putAll(runAndJob(run.parent));
            parent.put("root", runAndJob(run.root == null ? run.parent : run.root));
            facets.put("parent", parent);
        }
        return facets;
    }

    private static void describe(Run run, Map<String, Object> facets) {
        Map<String, Object> params = Redaction.map(run.params);
        Map<String, Object> details = Redaction.map(run.details);
        facets.put("lamin_run", own("LaminRunFacet", "1-0-0",
                "name", Redaction.text(run.name),
                "params", params,
                "attempt", run.attempt,
                "cached", run.cached,
                "details", details.isEmpty() ? null : details));
        if (!params.isEmpty()) facets.put("executionParameters", executionParameters(params));
    }

    private static Map<String, Object> executionParameters(Map<String, Object> params) {
        List<Object> rows = new ArrayList<>();
        params.forEach((key, value) -> rows.add(of("key", key, "value", value instanceof String ? value : Json.write(value))));
        return standard("ExecutionParametersRunFacet", "1-0-0", "parameters", rows);
    }

    static Map<String, Object> runAndJob(RunReference reference) {
        return of("run", of("runId", reference.runId),
            "job", of("namespace", reference.namespace, "name", Redaction.text(reference.name)));
    }

    private static Map<String, Object> jobFacets(Job job) {
        if (job.facets == null) job.facets = newJobFacets(job);
        return job.facets;
    }

    private static Map<String, Object> newJobFacets(Job job) {
        Map<String, Object> facets = of("jobType", standard("JobTypeJobFacet", "2-0-3",
            "processingType", "BATCH",
            "integration", ENGINE.toUpperCase(Locale.ROOT),
            "jobType", job.type.toUpperCase(Locale.ROOT)));
        if (job.source != null) {
            facets.put("sourceCode", standard("SourceCodeJobFacet", "1-0-1",
                "language", ENGINE, "sourceCode", Redaction.text(job.source)));
        }
        if (job.previousName != null) {
            facets.put("lamin_job", own("LaminJobFacet", "1-0-0", "previousName", Redaction.text(job.previousName)));
        }
        if (job.repository != null) {
            facets.put("sourceCodeLocation", standard("SourceCodeLocationJobFacet", "1-0-1",
                "type", "git", "url", job.repository, "repoUrl", job.repository, "version", job.commit));
        }
        return facets;
    }

    private static List<Object> datasets(List<Dataset> datasets) {
        List<Object> found = new ArrayList<>();
        for (Dataset dataset : datasets) {
            Map<String, Object> facets = dataset.workflowOutput == null ? datasetFacets(dataset)
                : of("nextflow_output", described("NextflowOutputDatasetFacet", dataset.workflowOutput));
            found.add(of("namespace", dataset.name.namespace, "name", dataset.name.name, "facets", facets));
        }
        return found;
    }

    private static Map<String, Object> datasetFacets(Dataset dataset) {
        Digest content = dataset.content == null ? new Digest(null, null, null, null) : dataset.content;
        Map<String, Object> facets = of("lamin_artifact", own("LaminArtifactDatasetFacet", "1-0-0",
            "hash", content.hash,
            "hash_type", content.type,
            "size", content.size,
            "n_files", content.files,
            "role", dataset.role));
        if (content.hash != null) {
            facets.put("version", standard("DatasetVersionDatasetFacet", "1-0-1",
                "datasetVersion", content.type + ":" + content.hash));
        }
        if (!dataset.details.isEmpty()) facets.put("nextflow_file", described("NextflowFileDatasetFacet", dataset.details));
        if (!dataset.labels.isEmpty()) facets.put("tags", tags(dataset.labels));
        return facets;
    }

    private static Map<String, Object> described(String name, Map<String, Object> details) {
        Map<String, Object> facet = own(name, "1-0-0");
        facet.putAll(Redaction.map(details));
        return facet;
    }

    private static Map<String, Object> tags(List<String> labels) {
        List<Object> rows = new ArrayList<>();
        for (String label : labels) rows.add(of("key", Redaction.text(label), "value", "", "source", "USER"));
        return standard("TagsDatasetFacet", "1-0-0", "tags", rows);
    }

    private static Map<String, Object> standard(String name, String version, Object... fields) {
        String url = "https://openlineage.io/spec/facets/" + version + "/" + name + ".json#/$defs/" + name;
        return facet(url, fields);
    }

    private static Map<String, Object> own(String name, String version, Object... fields) {
        return facet("urn:lamin-core:facet:" + name + ":" + version, fields);
    }

    private static Map<String, Object> facet(String schema, Object... fields) {
        Map<String, Object> facet = of("_producer", PRODUCER, "_schemaURL", schema);
        of(fields).forEach((key, value) -> {
            if (value != null) facet.put(key, value);
        });
        return facet;
    }

    private static Map<String, Object> of(Object... keysAndValues) {
        Map<String, Object> map = new LinkedHashMap<>();
        for (int i = 0; i < keysAndValues.length; i += 2) map.put((String) keysAndValues[i], keysAndValues[i + 1]);
        return map;
    }

    private static String version() {
        try (InputStream text = Events.class.getResourceAsStream("version.txt")) {
            return text == null ? "unknown" : new String(text.readAllBytes(), StandardCharsets.UTF_8).trim();
        } catch (IOException unreadable) {
            return "unknown";
        }
    }
}
