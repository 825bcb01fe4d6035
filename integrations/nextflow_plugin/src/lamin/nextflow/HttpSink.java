package lamin.nextflow;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.HttpURLConnection;
import java.net.MalformedURLException;
import java.net.URL;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.regex.Pattern;

/**
 * Posts to an OpenLineage endpoint; several events at once to {@code ENDPOINT/batch}, as openlineage/lamin/emit/http_sink.py does.
 * Each request has so many seconds in all, whatever comes: the time limits of a connection are about the pause between two bytes,
 * and an answer that drips never makes one.
 */
final class HttpSink implements Sink {
    private static final int TIMEOUT = 5_000;
    private static final long PATIENCE = 8_000;
    /** Statuses that the same event gets again: openlineage/lamin/emit/acknowledgement.py. */
    private static final Set<Integer> FINAL_REFUSALS = Set.of(400, 409, 411, 413, 414, 415, 422);

    /** Of an address that takes no batches. */
    private static final Set<Integer> NO_BATCHES = Set.of(404, 405, 501);
    private static final Pattern SOME_FAILED = Pattern.compile("\"failed\"\\s*:\\s*[1-9]|\"failed_events\"\\s*:\\s*\\[\\s*\\{");

    private final URL url;
    private final URL batches;
    private final String apiKey;
    private final Map<String, String> headers;
    private volatile boolean takesBatches;
    private final ExecutorService requests = Executors.newSingleThreadExecutor(HttpSink::daemon);

    HttpSink(URL url, String apiKey, Map<String, String> headers, boolean takesBatches) {
        this.url = url;
        this.takesBatches = takesBatches;
        this.batches = batches(url);
        this.headers = headers;
        this.apiKey = apiKey == null ? "" : apiKey.trim(); // a variable that is set to nothing is no key
    }

    private static Thread daemon(Runnable work) {
        Thread thread = new Thread(work, "lamin-http");
        thread.setDaemon(true);
        return thread;
    }

    private static URL batches(URL url) {
        try {
            String query = url.getQuery() == null ? "" : "?" + url.getQuery();
            return new URL(url, url.getPath().replaceFirst("/+$", "") + "/batch" + query);
        } catch (MalformedURLException never) {
            return url;
        }
    }

    @Override
    public void emit(String event) throws IOException {
        Answer answer = post(url, event);
        String problem = answer.problem();
        if (problem == null) return;
        String message = shown() + " " + problem + hint(answer.status);
        if (FINAL_REFUSALS.contains(answer.status)) throw new Refused(message);
        throw new Passing(message, null, answer.retryAfter);
    }

    @Override
    public boolean emitTogether(List<String> events) throws IOException {
        if (!takesBatches) return false;
        Answer answer = post(batches, "[" + String.join(",", events) + "]");
        if (NO_BATCHES.contains(answer.status)) takesBatches = false;
        if (NO_BATCHES.contains(answer.status) || FINAL_REFUSALS.contains(answer.status)) return false;
        String problem = answer.problem();
        if (problem != null) throw new Passing(shown() + " " + problem + hint(answer.status), null, answer.retryAfter);
        return !SOME_FAILED.matcher(answer.text()).find();
    }

    private Answer post(URL address, String body) throws IOException {
        Future<Answer> request = requests.submit(() -> posted(address, body));
        try {
            return request.get(PATIENCE, TimeUnit.MILLISECONDS);
        } catch (ExecutionException failure) {
            Throwable cause = failure.getCause();
            throw new Passing(String.valueOf(cause.getMessage()), cause, 0);
        } catch (TimeoutException late) {
            request.cancel(true); // its thread reads on for as long as it is answered; nobody waits for it
            throw new Passing(shown() + " did not answer in " + PATIENCE / 1000 + " s", late, 0);
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
            throw new IOException(shown() + ": interrupted", interrupted);
        }
    }

    private Answer posted(URL address, String text) throws IOException {
        HttpURLConnection connection = (HttpURLConnection) address.openConnection();
        connection.setInstanceFollowRedirects(false);
        connection.setConnectTimeout(TIMEOUT);
        connection.setReadTimeout(TIMEOUT);
        connection.setRequestMethod("POST");
        connection.setDoOutput(true);
        connection.setRequestProperty("Content-Type", "application/json");
        if (!apiKey.isEmpty()) connection.setRequestProperty("Authorization", "Bearer " + apiKey);
        headers.forEach(connection::setRequestProperty);
        byte[] body = text.getBytes(StandardCharsets.US_ASCII);
        connection.setFixedLengthStreamingMode(body.length); // also: no silent second try
        try (OutputStream out = connection.getOutputStream()) {
            out.write(body);
        }
        int status = connection.getResponseCode();
        return new Answer(status, read(connection, status), connection.getHeaderField("Location"), retryAfter(connection.getHeaderField("Retry-After")));
    }

    private static final class Answer {
        final int status;
        final byte[] body;
        final String location;
        final long retryAfter;

        Answer(int status, byte[] body, String location, long retryAfter) {
            this.status = status;
            this.body = body;
            this.location = location;
            this.retryAfter = retryAfter;
        }

        /** Why it acknowledges nothing, or null. */
        String problem() {
            return Acknowledgement.problem(status, body, location);
        }

        String text() {
            return new String(body, StandardCharsets.UTF_8);
        }
    }

    /** Milliseconds; the header gives seconds, or a date, which says no more to us than that it takes a while. */
    private static long retryAfter(String header) {
        try {
            return header == null ? 0 : 1_000 * Long.parseLong(header.trim());
        } catch (NumberFormatException date) {
            return Long.MAX_VALUE;
        }
    }

    /** An answer that the same event gets again. */
    static final class Refused extends IOException {
        private static final long serialVersionUID = 1;

        Refused(String message) {
            super(message);
        }
    }

    /** All of it keeps the connection for the next event; of one that goes on, enough to see that it does. */
    private static byte[] read(HttpURLConnection connection, int status) throws IOException {
        InputStream answer = status >= 400 ? connection.getErrorStream() : connection.getInputStream();
        if (answer == null) return new byte[0];
        byte[] body = answer.readNBytes(Acknowledgement.MAX_ANSWER + 1);
        if (body.length > Acknowledgement.MAX_ANSWER) connection.disconnect();
        else answer.close();
        return body;
    }

    private static String hint(int status) {
        if (status == 401 || status == 403) return "; set OPENLINEAGE_API_KEY";
        return status < 400 ? "; " + Acknowledgement.HINT : "";
    }

    private String shown() {
        return Redaction.text(url.toString());
    }
}
