package lamin.nextflow;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import nextflow.Session;
import nextflow.exception.AbortSignalException;
import nextflow.processor.TaskFault;
import nextflow.script.ScriptMeta;
import nextflow.script.WorkflowMetadata;

/** What a session says of the workflow: its job and its run. */
final class WorkflowReader {
    private WorkflowReader() {}

    /** The run of this session, within the run that started this process, if any. */
    static Run run(Session session, Map<String, String> environment) {
        WorkflowMetadata metadata = session.getWorkflowMetadata();
        String sessionId = String.valueOf(session.getUniqueId());
        RunReference parent = RunReference.fromEnvironment(environment);
        return new Run(RunIds.derived(Events.ENGINE, sessionId, session.getRunName()), job(metadata),
            String.valueOf(ask(() -> metadata.getNextflow().getVersion())), session.getRunName(), parent, RunReference.rootFromEnvironment(environment),
            params(session), 1, false, details(session));
    }

    private static Job job(WorkflowMetadata metadata) {
        String repository = ask(() -> metadata.getRepository());
        return new Job(name(metadata), "workflow", source(metadata.getScriptFile()),
            isEmpty(repository) ? null : Redaction.text(repository), ask(() -> metadata.getCommitId()), previousName(metadata));
    }

    /** The script, then what it includes: another wiring in a module is another workflow, too. */
    private static String source(Path script) {
        String main = text(script);
        Map<String, Path> scripts = ask(() -> ScriptMeta.allScriptNames());
        if (main == null || scripts == null) return main;
        TreeMap<String, String> included = new TreeMap<>();
        for (Path path : scripts.values()) {
            String text = path == null || path.equals(script) ? null : text(path);
            if (text != null) included.put(ask(() -> script.getParent().relativize(path).toString()), text);
        }
        StringBuilder source = new StringBuilder(main);
        included.forEach((name, text) -> source.append("\n// included: ").append(name).append('\n').append(text));
        return source.toString();
    }

    /** The manifest's name, else the repository's, else the script's: never a folder that the project happens to lie in. */
    private static String name(WorkflowMetadata metadata) {
        Path script = metadata.getScriptFile();
        String file = fileName(script);
        String project = project(metadata);
        if (isPiped(file)) return isEmpty(project) ? "stdin" : project;
        if (!isEmpty(project)) return file.equals("main.nf") ? project : project + "/" + file;
        GitFile checkout = script == null ? null : ask(() -> GitFile.of(script));
        if (checkout == null) return file;
        String path = checkout.path.replaceFirst("(^|/)main\\.nf$", "");
        return slug(checkout.remote) + (path.isEmpty() ? "" : "/" + path);
    }

    private static String project(WorkflowMetadata metadata) {
        String project = ask(() -> metadata.getManifest().getName());
        return isEmpty(project) ? slug(ask(() -> metadata.getRepository())) : project;
    }

    /** What it was called up to release 0.1, by folder and file of the script; null where that did not name it. */
    private static String previousName(WorkflowMetadata metadata) {
        Path script = metadata.getScriptFile();
        if (script == null || !isEmpty(project(metadata)) || isPiped(fileName(script))) return null;
        Path folder = script.toAbsolutePath().normalize().getParent();
        return folder == null || folder.getFileName() == null ? null : folder.getFileName() + "/" + fileName(script);
    }

    private static String fileName(Path script) {
        return script == null ? "main.nf" : script.getFileName().toString();
    }

    /** {@code nextflow run -}. */
    private static boolean isPiped(String file) {
        return file.matches("nextflow\\d+\\.tmp");
    }

    /** {@code owner/name} of {@code https://host/owner/name.git}. */
    static String slug(String repository) {
        if (isEmpty(repository)) return null;
        String path = repository.replaceFirst("^[a-z+]+://[^/]*/", "").replaceFirst("^[^/]*@[^/:]*:", "").replaceFirst("(\\.git)?/*$", "");
        String[] parts = path.split("/");
        return parts.length < 2 ? path : parts[parts.length - 2] + "/" + parts[parts.length - 1];
    }

    private static String text(Path script) {
        try {
            return new String(Files.readAllBytes(script), StandardCharsets.UTF_8);
        } catch (IOException | RuntimeException unreadable) {
            return null;
        }
    }

    /** The parameters as the pipeline sees them; of the two spellings that Nextflow keeps of one ({@code outDir}, {@code out-dir}) the first. */
    private static Map<String, Object> params(Session session) {
        Map<String, Object> found = new LinkedHashMap<>();
        Map<?, ?> params = ask(() -> (Map<?, ?>) session.getBinding().getVariables().get("params"));
        // Entry by entry: the map warns the user when asked for a name it lacks.
        if (params != null) params.entrySet().forEach(entry -> found.put(String.valueOf(entry.getKey()), Values.plain(entry.getValue())));
        found.keySet().removeIf(name -> name.contains("-") && found.containsKey(camelCase(name)));
        return found;
    }

    private static String camelCase(String name) {
        StringBuilder text = new StringBuilder();
        for (String part : name.split("-")) {
            text.append(text.length() == 0 || part.isEmpty() ? part : Character.toUpperCase(part.charAt(0)) + part.substring(1));
        }
        return text.toString();
    }

    /** What else the session knows now; of a finished one also how many tasks went which way. */
    static Map<String, Object> details(Session session) {
        WorkflowMetadata metadata = session.getWorkflowMetadata();
        Map<String, Object> found = new LinkedHashMap<>();
        found.put("session_id", String.valueOf(session.getUniqueId()));
        found.put("command_line", ask(() -> metadata.getCommandLine()));
        found.put("profile", ask(() -> metadata.getProfile()));
        found.put("revision", ask(() -> metadata.getRevision()));
        found.put("container_engine", ask(() -> metadata.getContainerEngine()));
        found.put("launch_dir", path(ask(() -> metadata.getLaunchDir())));
        found.put("work_dir", path(ask(() -> metadata.getWorkDir())));
        found.put("project_dir", path(ask(() -> metadata.getProjectDir())));
        found.put("resume", ask(() -> metadata.getResume()));
        found.put("stub_run", ask(() -> metadata.getStubRun()));
        found.put("exit", ask(() -> metadata.getExitStatus()));
        if (ask(() -> metadata.getComplete()) != null) {
            found.put("succeeded_tasks", ask(() -> metadata.getStats().getSucceededCount()));
            found.put("cached_tasks", ask(() -> metadata.getStats().getCachedCount()));
            found.put("failed_tasks", ask(() -> metadata.getStats().getFailedCount()));
            found.put("ignored_tasks", ask(() -> metadata.getStats().getIgnoredCount()));
        }
        found.values().removeIf(value -> value == null || value.equals(""));
        return found;
    }

    /** The signal that ended the session, or null. */
    static String interruption(Session session) {
        Throwable error = ask(() -> session.getError());
        return error instanceof AbortSignalException ? String.valueOf(error.getMessage()) : null;
    }

    /** Why the session did not succeed: in Nextflow's words, and in those of the task at fault. */
    static String failure(Session session) {
        TaskFault fault = ask(() -> session.getFault());
        Throwable error = fault != null ? fault.getError() : ask(() -> session.getError());
        String message = error == null ? null : error.getMessage();
        if (isEmpty(message)) message = ask(() -> session.getWorkflowMetadata().getErrorMessage());
        if (isEmpty(message)) message = "the workflow failed";
        return fault == null || fault.getTask() == null ? message : TaskReader.withComplaint(message, fault.getTask());
    }

    static String report(Session session) {
        String report = ask(() -> session.getWorkflowMetadata().getErrorReport());
        return isEmpty(report) ? null : report;
    }

    private static String path(Path path) {
        return path == null ? null : (String) Values.plain(path);
    }

    private static boolean isEmpty(String text) {
        return text == null || text.isEmpty();
    }

    /** The answer, or null where this version of Nextflow has none. A lambda, never a method reference: that would fail outside. */
    static <T> T ask(Callable<T> question) {
        try {
            return question.call();
        } catch (Exception | LinkageError absent) {
            return null;
        }
    }
}
