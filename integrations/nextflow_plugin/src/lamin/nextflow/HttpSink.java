package lamin.nextflow;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.HttpURLConnection;
import java.net.URL;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/**
 * Posts to an OpenLineage endpoint, one request an event. Each has so many seconds in all, whatever comes: the time limits of
 * a connection are about the pause between two bytes, and an answer that drips never makes one.
 */
final class HttpSink implements Sink {
    private static final int TIMEOUT = 5_000;
    private static final long PATIENCE = 8_000;
    /** Statuses that the same event gets again: openlineage/lamin/emit/acknowledgement.py. */
    private static final Set<Integer> FINAL_REFUSALS = Set.of(400, 409, 411, 413, 414, 415, 422);

    private final URL url;
    private final String apiKey;
    private final Map<String, String> headers;
    private final ExecutorService requests = Executors.newSingleThreadExecutor(HttpSink::daemon);

    HttpSink(URL url, String apiKey, Map<String, String> headers) {
        this.url = url;
        this.headers = headers;
        this.apiKey = apiKey == null ? "" : apiKey.trim(); // a variable that is set to nothing is no key
    }

    private static Thread daemon(Runnable work) {
        Thread thread = new Thread(work, "lamin-http");
        thread.setDaemon(true);
        return thread;
    }

    @Override
    public void emit(String event) throws IOException {
        Future<?> request = requests.submit(() -> {
            post(event);
            return null;
        });
        try {
            request.get(PATIENCE, TimeUnit.MILLISECONDS);
        } catch (ExecutionException failure) {
            Throwable cause = failure.getCause();
            if (cause instanceof Refused) throw (Refused) cause;
            if (cause instanceof Passing) throw (Passing) cause;
            throw new Passing(String.valueOf(cause.getMessage()), cause, 0);
        } catch (TimeoutException late) {
            request.cancel(true); // its thread reads on for as long as it is answered; nobody waits for it
            throw new Passing(shown() + " did not answer in " + PATIENCE / 1000 + " s", late, 0);
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
            throw new IOException(shown() + ": interrupted", interrupted);
        }
    }

    private void post(String event) throws IOException {
        HttpURLConnection connection = (HttpURLConnection) url.openConnection();
        connection.setInstanceFollowRedirects(false);
        connection.setConnectTimeout(TIMEOUT);
        connection.setReadTimeout(TIMEOUT);
        connection.setRequestMethod("POST");
        connection.setDoOutput(true);
        connection.setRequestProperty("Content-Type", "application/json");
        if (!apiKey.isEmpty()) connection.setRequestProperty("Authorization", "Bearer " + apiKey);
        headers.forEach(connection::setRequestProperty);
        byte[] body = event.getBytes(StandardCharsets.US_ASCII);
        connection.setFixedLengthStreamingMode(body.length); // also: no silent second try
        try (OutputStream out = connection.getOutputStream()) {
            out.write(body);
        }
        int status = connection.getResponseCode();
        byte[] answer = read(connection, status);
        String problem = Acknowledgement.problem(status, answer, connection.getHeaderField("Location"));
        if (problem == null) return;
        String message = shown() + " " + problem + hint(status);
        if (FINAL_REFUSALS.contains(status)) throw new Refused(message);
        throw new Passing(message, null, retryAfter(connection.getHeaderField("Retry-After")));
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
