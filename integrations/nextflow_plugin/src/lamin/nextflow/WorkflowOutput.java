package lamin.nextflow;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * An output of a workflow ({@code output { samples { ... } }}): rows, each a file, or a tuple, map or record of files and of what
 * is known of them, such as the id of a sample; and the index file that lists them.
 */
final class WorkflowOutput {
    private static final int LONGEST_METADATA = 10_000; // characters of JSON

    final String name;
    final String index;
    private final List<Object> rows = new ArrayList<>();

    WorkflowOutput(String name, Object value, Path index) {
        this.name = name;
        this.index = index == null ? null : (String) Values.plain(index);
        if (value instanceof Iterable && !(value instanceof Path)) ((Iterable<?>) value).forEach(rows::add);
        else if (value != null) rows.add(value);
    }

    /** Each file, with what its row says of it. */
    Map<Path, Map<String, Object>> files() {
        Map<Path, Map<String, Object>> found = new LinkedHashMap<>();
        for (Object row : rows) {
            Map<String, Object> facet = new LinkedHashMap<>();
            facet.put("name", name);
            if (index != null) facet.put("index", index);
            Map<String, Object> metadata = metadata(row);
            if (!metadata.isEmpty() && Json.write(metadata).length() <= LONGEST_METADATA) facet.put("metadata", metadata);
            Values.eachLeaf(row, leaf -> {
                if (leaf instanceof Path) found.put((Path) leaf, facet);
            });
        }
        return found;
    }

    /** The named values of a row; those without a name as {@code values}, in order. */
    private static Map<String, Object> metadata(Object row) {
        Map<String, Object> found = new LinkedHashMap<>();
        List<Object> values = new ArrayList<>();
        if (row instanceof Map) addNamed((Map<?, ?>) row, found);
        else if (row instanceof Iterable && !(row instanceof Path)) {
            for (Object item : (Iterable<?>) row) {
                if (item instanceof Map) addNamed((Map<?, ?>) item, found);
                else if (isValue(item)) values.add(Values.plain(item));
            }
        }
        if (!values.isEmpty()) found.put("values", values);
        return found;
    }

    private static void addNamed(Map<?, ?> map, Map<String, Object> found) {
        map.forEach((key, value) -> {
            if (isValue(value)) found.put(String.valueOf(key), Values.plain(value));
        });
    }

    private static boolean isValue(Object value) {
        return value != null && Values.isSimple(value);
    }

    /** For the details of the workflow's run. */
    Map<String, Object> summary() {
        Map<String, Object> found = new LinkedHashMap<>();
        if (index != null) found.put("index", index);
        found.put("rows", rows.size());
        return found;
    }
}
