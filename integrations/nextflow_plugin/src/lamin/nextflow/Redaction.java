package lamin.nextflow;

import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Secrets masked before anything is written, as lamin_core/runtime/redaction.py does it: both read the rules of
 * redaction_rules.txt, and tests/support/redaction_vectors.json holds them together.
 */
final class Redaction {
    private static final String MASK = "***";
    private static final int SHORT = 200;
    private static final RedactionRules RULES = RedactionRules.read();
    private static final Set<String> CONTAINERS = Set.of("secret", "secrets", "credential", "credentials");
    private static final Pattern OPENING = Pattern.compile("([bBrRuUfF]{0,2})(\\\\{0,3}[\"'])");
    private static final Pattern VALUE = Pattern.compile("[^\\s\"'`;&<>|,()\\[\\]{}\\\\]++");
    private static final Pattern AFTER_COMMA = Pattern.compile("(?=[^\\s\"'])(?![A-Za-z0-9_.-]{1,64}[=:])");
    private static final Pattern ELEMENT = Pattern.compile("[^<\\n]++");
    private static final Pattern IDENTIFIER = Pattern.compile("[A-Za-z_][A-Za-z0-9_.]*+");
    private static final Pattern NAME_ONLY = Pattern.compile("[A-Za-z_]++");
    private static final Pattern PLAIN_WORD = Pattern.compile("[A-Za-z]?[a-z'-]*+[.,;:!?]?");
    private static final Pattern NEXT_WORD = Pattern.compile("[.,;]?[ \\t]+[A-Za-z(`\"']");
    private static final Pattern RANDOM = Pattern.compile("(?=[^0-9]*+[0-9])(?=[^A-Za-z]*+[A-Za-z])[\\s\\S]{6,}");
    private static final Pattern VERSION = Pattern.compile("[0-9]{1,4}(?:\\.[0-9]{1,4}){1,3}\\.?");
    private static final Pattern THREE_DIGITS = Pattern.compile("[0-9]{3}");
    private static final Pattern ITEMS = Pattern.compile("[^\\[\\]()]{1,4000}+(?=\\])");
    private static final Pattern FIRST_ITEM =
        Pattern.compile("(?:\"([^\"\\n]*+)\"|'([^'\\n]*+)'|([^\\s\"',]++))[ \\t\\n]*+(?:,|\\z)");
    private static final Pattern LISTED =
        Pattern.compile("([^\\s:]++)[ \\t]{0,9}(?![^\\n])(?:\\n[ \\t]{0,40}-[ \\t][^\\n]*+)*+");
    private static final Pattern INDENT = Pattern.compile("[ \\t]++");
    private static final Pattern ONE_WORD = Pattern.compile("[^\\s]++");
    private static final Pattern UUID = Pattern.compile("[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}");
    private static final Pattern ASSIGNMENT = Pattern.compile("(-{0,2}([A-Za-z0-9_.-]{1,120}+)=)[^=]");
    private static final Pattern PLACEHOLDER = Pattern.compile(
        "\\*{3}[\\s\\S]*+|\\*+|\\.{2,}|[xX]{3,}|<[^<>]*+>?|\\[[A-Za-z_]++\\]|\\$\\{?[A-Za-z_][A-Za-z0-9_.:-]*+\\}?|\\$[({][\\s\\S]*+"
            + "|%\\([A-Za-z_]++\\)s|%[a-zA-Z]%?|\\{[\\s\\S]*+|[0-9]{1,3}|[:=!?/#@+-]++");

    private Redaction() {}

    /** The text with every secret that it shows masked. */
    static String text(String text) {
        String lowered = text.toLowerCase(Locale.ROOT);
        for (RedactionRules.Shape shape : RULES.shapes) {
            if (lowered.contains(shape.hint)) text = shaped(text, shape.pattern);
        }
        if (RULES.hints.stream().noneMatch(lowered::contains)) return text;
        for (Map.Entry<String, Pattern> entry : RULES.named.entrySet()) text = named(text, entry.getKey(), entry.getValue());
        return text;
    }

    private static String shaped(String text, Pattern pattern) {
        Matcher matcher = pattern.matcher(text);
        StringBuilder out = new StringBuilder();
        int copied = 0;
        while (matcher.find()) {
            String kept = matcher.groupCount() > 0 ? matcher.group(1) : "";
            out.append(text, copied, matcher.start()).append(kept == null ? "" : kept).append(MASK);
            if (matcher.group().endsWith("@")) out.append('@');
            copied = matcher.end();
        }
        return copied == 0 ? text : out.append(text, copied, text.length()).toString();
    }

    /** Masks the values of the names that this pattern finds: each name is looked at once, each value skipped. */
    private static String named(String text, String kind, Pattern pattern) {
        Matcher matcher = pattern.matcher(text);
        StringBuilder out = new StringBuilder();
        int copied = 0;
        for (int position = 0; position <= text.length() && matcher.find(position); ) {
            position = matcher.end(1); // the next name may stand where this one's type would: `params: token="x"`
            SecretName name = SecretName.of(matcher.group(1), RULES);
            int[] span = name == null ? null : valueSpan(text, matcher, kind, name);
            if (span == null) continue;
            out.append(text, copied, span[0]).append(MASK);
            copied = position = span[1];
        }
        return copied == 0 ? text : out.append(text, copied, text.length()).toString();
    }

    private static int[] valueSpan(String text, Matcher match, String kind, SecretName name) {
        int start = match.end();
        if (kind.equals("list")) return listSpan(text, start, name);
        if (kind.equals("block")) return blockSpan(text, start);
        if (kind.equals("items")) return itemsSpan(text, start);
        if (kind.equals("below")) return belowSpan(text, start);
        if (kind.equals("element") || kind.equals("property")) {
            Matcher element = at(ELEMENT, text, start);
            return element == null || isPlaceholder(element.group(), match.group(1)) ? null : new int[] {start, element.end()};
        }
        Matcher opening = at(OPENING, text, start);
        int close = opening == null ? -1 : closing(text, opening);
        if (close >= 0) {
            if (kind.equals("quoted") && name.isWeak) return null; // a sentence: "pass 'index' instead"
            String value = text.substring(opening.end(), close);
            boolean computed = opening.group(1).toLowerCase(Locale.ROOT).contains("f") && value.contains("{");
            return computed || isPlaceholder(value, match.group(1)) || isWord(value, name) ? null : new int[] {opening.end(), close};
        }
        if (kind.equals("quoted")) return null;
        if (opening != null) start = opening.end(); // never closed: the text was cut off
        int end = unquotedEnd(text, start);
        String value = text.substring(start, end);
        if (value.isEmpty() || isWord(value, name)) return null;
        boolean isNumber = name.isStrong && !name.isWeak && THREE_DIGITS.matcher(value).matches();
        if (isPlaceholder(value, match.group(1)) && !isNumber) return null;
        if (isComputed(text, end, value, name)) return null;
        return kind.equals("assigned") && isProse(text, match, end, value, name) ? null : new int[] {start, end};
    }

    /** Whether this is one of the words that stand under a vague name, such as `tokens`, or a version that is pinned. */
    private static boolean isWord(String value, SecretName name) {
        return isVersion(value, name) || (name.isVague && !RANDOM.matcher(value).matches());
    }

    /** Whether this is the version to which a package is pinned, as in `pin=1.2`; the PIN of a card has no dots. */
    private static boolean isVersion(String value, SecretName name) {
        return name.words.equals("pin") && VERSION.matcher(value).matches();
    }

    /** The items of `api_keys: [a1b2c3, "d"]`, where the first looks like a secret or is a text. */
    private static int[] listSpan(String text, int start, SecretName name) {
        Matcher items = at(ITEMS, text, start);
        Matcher first = items == null ? null : FIRST_ITEM.matcher(items.group());
        if (first == null || !first.lookingAt()) return null;
        String quoted = first.group(1) != null ? first.group(1) : first.group(2);
        String value = quoted == null ? first.group(3) : quoted;
        boolean isText = quoted != null && !(name.isWeak || name.isVague) && !isPlaceholder(value, name.words);
        return isText || RANDOM.matcher(value).matches() ? new int[] {items.start(), items.end()} : null;
    }

    /** The lines of a YAML block, without the first indentation: `password: |`. */
    private static int[] blockSpan(String text, int start) {
        Matcher indent = at(INDENT, text, start);
        if (indent == null) return null;
        int end = start;
        while (text.startsWith(indent.group(), end)) {
            int lineEnd = text.indexOf('\n', end);
            if (lineEnd < 0) {
                end = text.length();
                break;
            }
            end = lineEnd + 1;
        }
        int last = text.charAt(end - 1) == '\n' ? end - 1 : end;
        int begin = indent.end();
        boolean isMasked = begin >= last || text.substring(begin, last).equals(MASK);
        return isMasked ? null : new int[] {begin, last};
    }

    /** The items of a YAML list below its name, where the first looks like a secret. */
    private static int[] itemsSpan(String text, int start) {
        Matcher items = at(LISTED, text, start);
        if (items == null) return null;
        String value = items.group(1).replaceFirst("\\A[\"']+", "").replaceFirst("[\"']+\\z", "");
        return RANDOM.matcher(value).matches() ? new int[] {items.start(), items.end()} : null;
    }

    /** The word on the line below its name, where it looks like a secret. */
    private static int[] belowSpan(String text, int start) {
        Matcher word = at(ONE_WORD, text, start);
        return word != null && RANDOM.matcher(word.group()).matches() ? new int[] {start, word.end()} : null;
    }

    private static Matcher at(Pattern pattern, String text, int start) {
        Matcher matcher = pattern.matcher(text).region(start, text.length());
        matcher.useTransparentBounds(true).useAnchoringBounds(false);
        return matcher.lookingAt() ? matcher : null;
    }

    private static int closing(String text, Matcher opening) {
        String quote = opening.group(2);
        int end = text.indexOf(quote, opening.end());
        while (end > opening.end() && quote.length() == 1 && text.charAt(end - 1) == '\\') end = text.indexOf(quote, end + 1);
        if (end < 0) return -1;
        for (int i = opening.end(); i < end; i++) {
            if (text.charAt(i) == '\n') return -1;
        }
        return end;
    }

    private static int unquotedEnd(String text, int start) {
        int end = start;
        for (Matcher part; (part = at(VALUE, text, end)) != null; end++) {
            end = part.end();
            boolean goesOn = end < text.length() && text.charAt(end) == ',' && at(AFTER_COMMA, text, end + 1) != null;
            if (!goesOn || at(VALUE, text, end + 1) == null) break;
        }
        return end;
    }

    /** Whether this stands for a value, or says what kind of value it is. */
    private static boolean isPlaceholder(String value, String name) {
        if (value.length() <= SHORT) {
            String bare = value.strip().replaceFirst("[.,;:!?]+\\z", "").toLowerCase(Locale.ROOT);
            String plainName = name.replaceFirst("\\A[-_.]+", "").replaceFirst("[-_.]+\\z", "").toLowerCase(Locale.ROOT);
            if (bare.isEmpty() || RULES.values.contains(bare) || bare.equals(plainName)) return true;
            if (NAME_ONLY.matcher(value).matches() && endAlike(name, value)) return true;
        }
        return PLACEHOLDER.matcher(value.strip()).matches();
    }

    private static boolean endAlike(String name, String value) {
        List<String> words = SecretName.words(name);
        List<String> others = SecretName.words(value);
        if (words.equals(others)) return true;
        int from = words.size() - others.size();
        return name.contains(".") && from >= 0 && words.subList(from, words.size()).equals(others);
    }

    private static boolean isComputed(String text, int end, String value, SecretName name) {
        if (!IDENTIFIER.matcher(value).matches()) return false;
        if (end < text.length() && (text.charAt(end) == '(' || text.charAt(end) == '[')) return true;
        return value.contains(".") && String.join(" ", SecretName.words(value)).endsWith(name.words);
    }

    private static boolean isProse(String text, Matcher match, int end, String value, SecretName name) {
        String separator = match.group().substring(match.group(1).length());
        if (separator.contains("=")) return false;
        boolean isKey = "\\\"'".indexOf(separator.charAt(0)) >= 0;
        if (name.isWeak && !isKey && !RANDOM.matcher(value).matches()) return true;
        return PLAIN_WORD.matcher(value).matches() && at(NEXT_WORD, text, end) != null;
    }

    /** The map with every secret in it masked, at any depth. */
    static Map<String, Object> map(Map<?, ?> values) {
        return map(values, null);
    }

    private static Map<String, Object> map(Map<?, ?> values, SecretName name) {
        SecretName inherited = name != null && CONTAINERS.contains(name.words) ? name : null;
        SecretName described = describedName(values);
        Map<String, Object> found = new LinkedHashMap<>();
        values.forEach((key, value) -> {
            String field = String.valueOf(key);
            SecretName own = SecretName.of(field, RULES);
            if (own == null) own = inherited;
            if (described != null && field.equals("value")) own = described;
            found.put(field, value(value, own));
        });
        return found;
    }

    private static SecretName describedName(Map<?, ?> row) {
        if (!row.containsKey("value")) return null;
        for (String column : List.of("name", "key")) {
            if (row.get(column) instanceof String) return SecretName.of((String) row.get(column), RULES);
        }
        return null;
    }

    private static Object value(Object value, SecretName name) {
        if (value instanceof Map) return map((Map<?, ?>) value, name);
        if (value instanceof List) return items((List<?>) value, name);
        if (value instanceof CharSequence) return string(value.toString(), name);
        boolean isNumber = value instanceof Integer || value instanceof Long || value instanceof Double || value instanceof BigDecimal
            || value instanceof Float;
        return isNumber && name != null && name.isStrong && !isVersion(String.valueOf(value), name) ? MASK : value;
    }

    private static String string(String value, SecretName name) {
        if (name == null || value.isEmpty() || isWord(value, name)) return text(value);
        boolean isIdentifier = Set.of("session id", "sessionid").contains(name.words) && UUID.matcher(value).matches();
        return isIdentifier ? value : MASK;
    }

    /** Of the words of a command, the one that follows a secret's option is masked. */
    private static List<Object> items(List<?> values, SecretName name) {
        List<Object> found = new ArrayList<>();
        SecretName option = null;
        for (Object value : values) {
            String word = value instanceof CharSequence ? value.toString() : null;
            boolean follows = word != null && option != null && !word.startsWith("-");
            Matcher assigned = word != null && name == null && !follows ? at(ASSIGNMENT, word, 0) : null;
            if (assigned != null && isAssignedSecret(word, assigned)) {
                String rest = word.substring(assigned.group(1).length());
                found.add(isPlaceholder(rest, assigned.group(2)) ? text(word) : assigned.group(1) + MASK);
            } else {
                found.add(value(value, follows ? option : name));
            }
            boolean isOption = word != null && word.startsWith("-") && !word.contains("=") && !word.contains(" ");
            option = isOption ? SecretName.of(word, RULES) : null;
        }
        return found;
    }

    private static boolean isAssignedSecret(String word, Matcher assigned) {
        SecretName name = SecretName.of(assigned.group(2), RULES);
        return name != null && !name.isVague && !isVersion(word.substring(assigned.group(1).length()), name);
    }
}
