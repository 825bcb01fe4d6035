package lamin.nextflow;

import java.nio.charset.StandardCharsets;

/**
 * Whether an answer says that an event was taken: any page of the web answers 200, a receiver answers little or JSON. The same
 * rule as in {@code openlineage/lamin/acknowledgement.py}, with one eye closed: of long JSON only its ends are looked at.
 */
final class Acknowledgement {
    /** Bytes of an answer that are read; no receiver says more. */
    static final int MAX_ANSWER = 1 << 20;
    static final String HINT = "set OPENLINEAGE_URL to the address of an OpenLineage receiver";
    private static final int MAX_WORDS = 100;

    private Acknowledgement() {}

    /** Why this answer acknowledges nothing, or null where it does. */
    static String problem(int status, byte[] body, String location) {
        String answered = "answered " + status;
        if (status >= 300 && status < 400) return answered + ": it redirects to '" + printable(location == null ? "" : location) + "'";
        String text = new String(body, StandardCharsets.UTF_8).replaceFirst("^\ufeff", "").trim();
        if (status < 200 || status >= 300) return answered + ": " + printable(head(text, 200));
        if (body.length > MAX_ANSWER) return answered + " with more than " + MAX_ANSWER + " bytes, which is no acknowledgement";
        if (text.startsWith("<")) return answered + " with a page, which is no acknowledgement";
        if (text.length() <= MAX_WORDS || looksLikeJson(text)) return null;
        return answered + " with text that is no acknowledgement: '" + printable(head(text, 40)) + "'...";
    }

    private static boolean looksLikeJson(String text) {
        return text.startsWith("{") && text.endsWith("}") || text.startsWith("[") && text.endsWith("]");
    }

    private static String head(String text, int length) {
        return text.substring(0, Math.min(length, text.length()));
    }

    /** Without what a terminal would obey: the text comes from a stranger, and goes into a warning. */
    private static String printable(String text) {
        return text.replaceAll("[\\p{Cntrl}\\p{Cf}]", " ");
    }
}
