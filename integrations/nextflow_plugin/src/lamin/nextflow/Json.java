package lamin.nextflow;

import java.util.Map;

/** Values as JSON text, spelled as Python's {@code json.dumps} does: ASCII only, so that no character set can spoil it. */
final class Json {
    private Json() {}

    /** Maps, iterables, strings, numbers, booleans and null; anything else as its text. */
    static String write(Object value) {
        StringBuilder out = new StringBuilder();
        append(out, value);
        return out.toString();
    }

    private static void append(StringBuilder out, Object value) {
        if (value == null || value instanceof Boolean) out.append(value);
        else if (value instanceof Map) appendMap(out, (Map<?, ?>) value);
        else if (value instanceof Iterable) appendList(out, (Iterable<?>) value);
        else if (value instanceof Number && isFinite((Number) value)) out.append(value);
        else appendText(out, String.valueOf(value));
    }

    private static boolean isFinite(Number number) {
        return !(number instanceof Double || number instanceof Float) || Double.isFinite(number.doubleValue());
    }

    private static void appendMap(StringBuilder out, Map<?, ?> map) {
        String separator = "";
        out.append('{');
        for (Map.Entry<?, ?> entry : map.entrySet()) {
            out.append(separator);
            appendText(out, String.valueOf(entry.getKey()));
            out.append(": ");
            append(out, entry.getValue());
            separator = ", ";
        }
        out.append('}');
    }

    private static void appendList(StringBuilder out, Iterable<?> list) {
        String separator = "";
        out.append('[');
        for (Object item : list) {
            out.append(separator);
            append(out, item);
            separator = ", ";
        }
        out.append(']');
    }

    private static void appendText(StringBuilder out, String text) {
        out.append('"');
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            switch (c) {
                case '"': out.append("\\\""); break;
                case '\\': out.append("\\\\"); break;
                case '\n': out.append("\\n"); break;
                case '\r': out.append("\\r"); break;
                case '\t': out.append("\\t"); break;
                case '\b': out.append("\\b"); break;
                case '\f': out.append("\\f"); break;
                default:
                    if (c >= 0x20 && c < 0x7f) out.append(c);
                    else out.append(String.format("\\u%04x", (int) c)); // a lone surrogate too: valid JSON as an escape
            }
        }
        out.append('"');
    }
}
