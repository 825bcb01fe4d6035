package lamin.nextflow;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;

/** What pipelines hold in their variables, as plain JSON values. */
final class Values {
    private static final int DEPTH = 20; // deeper ones may hold themselves

    private Values() {}

    /** Maps, lists, text, numbers and truth values as they are; a path as its name; anything else (closures, durations) as its text. */
    static Object plain(Object value) {
        return plain(value, 0);
    }

    private static Object plain(Object value, int depth) {
        if (value == null || value instanceof Boolean || value instanceof Number) return value;
        if (value instanceof Path) {
            DatasetName name = DatasetName.of((Path) value);
            return name.namespace.equals("file") ? name.name : name.namespace + "/" + name.name.replaceFirst("^/", "");
        }
        if (depth < DEPTH && value instanceof Map) {
            Map<String, Object> found = new LinkedHashMap<>();
            ((Map<?, ?>) value).entrySet().forEach(entry -> found.put(String.valueOf(entry.getKey()), plain(entry.getValue(), depth + 1)));
            return found;
        }
        if (depth < DEPTH && value instanceof Iterable) {
            List<Object> found = new ArrayList<>();
            ((Iterable<?>) value).forEach(item -> found.add(plain(item, depth + 1)));
            return found;
        }
        if (depth < DEPTH && value instanceof Object[]) return plain(Arrays.asList((Object[]) value), depth);
        return value.toString();
    }

    /** Whether it is made of text, numbers and truth values only, so that it can stand as a parameter. */
    static boolean isSimple(Object value) {
        if (value instanceof Map) return ((Map<?, ?>) value).values().stream().allMatch(Values::isSimple);
        if (value instanceof Path) return false;
        if (value instanceof List) return ((List<?>) value).stream().allMatch(Values::isSimple);
        return value == null || value instanceof Boolean || value instanceof Number || value instanceof CharSequence;
    }

    /** Every leaf of nested maps, collections and records. A path, though a collection of its parts, is a leaf. */
    static void eachLeaf(Object value, Consumer<Object> visit) {
        if (value instanceof Map) ((Map<?, ?>) value).values().forEach(item -> eachLeaf(item, visit));
        else if (value instanceof Iterable && !(value instanceof Path)) ((Iterable<?>) value).forEach(item -> eachLeaf(item, visit));
        else if (value != null) visit.accept(value);
    }
}
