package lamin.nextflow;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;

/** Secrets out, before anything is written: the rules of lamin_core/redaction.py, which a test holds against these. */
final class Redaction {
    private static final String MASK = "***";
    private static final int UNICODE = Pattern.UNICODE_CHARACTER_CLASS;
    private static final Pattern SECRET_NAME = Pattern.compile(
        "(?i)(password|passwd|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|credential|authorization)");
    private static final List<Pattern> SECRET_VALUES = List.of(
        Pattern.compile("\\b(?:AKIA|ASIA)[A-Z0-9]{16}\\b", UNICODE),
        Pattern.compile("\\bgh[pousr]_[A-Za-z0-9]{30,}\\b", UNICODE),
        Pattern.compile("\\bAIza[A-Za-z0-9_-]{35}", UNICODE),
        Pattern.compile("\\bxox[abposr]-[A-Za-z0-9-]{10,}", UNICODE),
        Pattern.compile("\\beyJ[\\w-]{8,}\\.[\\w-]{8,}\\.[\\w-]*", UNICODE),
        Pattern.compile("-----BEGIN [A-Z ]*PRIVATE KEY-----[\\s\\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|\\z)"));
    private static final Pattern DSN_PASSWORD = Pattern.compile("(\\b[a-z][a-z0-9+.-]*://[^\\s:/@]*:)[^\\s/@]+@", UNICODE);
    private static final Pattern OPTION =
        Pattern.compile("(?i)(--?(?:[\\w-]*(?:password|token|secret|api-?key))[= ])\\S+", UNICODE);

    private static final Pattern ASSIGNED = Pattern.compile(
        "(?i)((?:password|passwd|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|credential)[A-Za-z0-9_-]*[\"']?"
            + "\\s*[:=]\\s*)([\"'])[A-Za-z0-9_+/=.~!@#%^&*-]{6,}\\2", UNICODE);
    private static final Pattern EXPORTED = Pattern.compile(
        "(\\b[A-Z][A-Z0-9_]*(?:PASSWORD|PASSWD|SECRET|TOKEN|API_?KEY|ACCESS_KEY|CREDENTIAL)[A-Z0-9_]*=)(?![\"'$])[^\\s\"']+",
        UNICODE);
    private static final Pattern BEARER = Pattern.compile("(?i)(\\bbearer\\s+)[A-Za-z0-9_.~+/=-]{8,}", UNICODE);

    private Redaction() {}

    /** The text with every secret it shows masked. */
    static String text(String text) {
        for (Pattern pattern : SECRET_VALUES) text = pattern.matcher(text).replaceAll(MASK);
        text = DSN_PASSWORD.matcher(text).replaceAll("$1" + MASK + "@");
        text = ASSIGNED.matcher(text).replaceAll("$1$2" + MASK + "$2");
        text = EXPORTED.matcher(text).replaceAll("$1" + MASK);
        text = BEARER.matcher(text).replaceAll("$1" + MASK);
        return OPTION.matcher(text).replaceAll("$1" + MASK);
    }

    /** The map with every secret in it masked, at any depth. */
    static Map<String, Object> map(Map<?, ?> values) {
        Map<String, Object> found = new LinkedHashMap<>();
        values.forEach((key, value) -> found.put(String.valueOf(key), value(value, String.valueOf(key))));
        return found;
    }

    private static Object value(Object value, String name) {
        if (value instanceof Map) return map((Map<?, ?>) value);
        if (value instanceof List) {
            List<Object> found = new ArrayList<>();
            for (Object item : (List<?>) value) found.add(value(item, name));
            return found;
        }
        if (!(value instanceof String)) return value;
        String text = (String) value;
        return !text.isEmpty() && SECRET_NAME.matcher(name).find() ? MASK : text(text);
    }
}
