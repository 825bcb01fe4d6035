package lamin.nextflow;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.HttpURLConnection;
import java.net.URL;
import java.nio.charset.StandardCharsets;

/** Posts to an OpenLineage endpoint, one request an event. */
final class HttpSink implements Sink {
    private static final int TIMEOUT = 2_000;

    private final URL url;
    private final String apiKey;

    HttpSink(URL url, String apiKey) {
        this.url = url;
        this.apiKey = apiKey;
    }

    @Override
    public void emit(String event) throws IOException {
        HttpURLConnection connection = (HttpURLConnection) url.openConnection();
        connection.setConnectTimeout(TIMEOUT);
        connection.setReadTimeout(TIMEOUT);
        connection.setRequestMethod("POST");
        connection.setDoOutput(true);
        connection.setRequestProperty("Content-Type", "application/json");
        if (apiKey != null && !apiKey.isEmpty()) connection.setRequestProperty("Authorization", "Bearer " + apiKey);
        byte[] body = event.getBytes(StandardCharsets.US_ASCII);
        connection.setFixedLengthStreamingMode(body.length); // also: no silent second try
        try (OutputStream out = connection.getOutputStream()) {
            out.write(body);
        }
        int status = connection.getResponseCode();
        drain(status >= 400 ? connection.getErrorStream() : connection.getInputStream()); // keeps the connection for the next
        if (status >= 300) throw new IOException(url + " answered " + status);
    }

    private static void drain(InputStream answer) throws IOException {
        if (answer == null) return;
        try (answer) {
            answer.readNBytes(1 << 16);
        }
    }
}
