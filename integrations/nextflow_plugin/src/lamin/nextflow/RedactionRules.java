package lamin.nextflow;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Pattern;

/** The rules of lamin_core/runtime/redaction_rules.txt, which the build puts beside this class. */
final class RedactionRules {
    /** A pattern of secrets: tried where a lower-case text has the hint; group 1 stays, the rest is masked. */
    static final class Shape {
        final String hint;
        final Pattern pattern;

        Shape(String hint, Pattern pattern) {
            this.hint = hint;
            this.pattern = pattern;
        }
    }

    private static final String BEGINNING = "(?:(?<![A-Za-z0-9_-])|(?<=\\\\[nrt]))";

    final Set<String> secret;
    final Set<String> last;
    final Set<String> notBeforeLast;
    final Set<String> notAfter;
    final Set<String> strong;
    final Set<String> weak;
    final Set<String> random;
    final Set<String> values;
    final List<String> hints;
    final List<Shape> shapes = new ArrayList<>();
    final Map<String, Pattern> named = new LinkedHashMap<>();

    private RedactionRules(Map<String, List<String>> sections) {
        secret = new HashSet<>(sections.get("secret"));
        last = new HashSet<>(sections.get("last"));
        notBeforeLast = new HashSet<>(sections.get("not before last"));
        notAfter = new HashSet<>(sections.get("not after"));
        strong = new HashSet<>(sections.get("strong"));
        weak = new HashSet<>(sections.get("weak"));
        random = new HashSet<>(sections.get("random"));
        values = new HashSet<>(sections.get("values"));
        hints = sections.get("hints");
        for (String line : sections.get("shapes")) {
            int tab = line.indexOf('\t');
            shapes.add(new Shape(line.substring(0, tab), Pattern.compile(line.substring(tab + 1).replace("{B}", BEGINNING))));
        }
        for (String line : sections.get("named")) {
            int tab = line.indexOf('\t');
            named.put(line.substring(0, tab), Pattern.compile(line.substring(tab + 1)));
        }
    }

    /** Read from the jar. */
    static RedactionRules read() {
        Map<String, List<String>> sections = new HashMap<>();
        List<String> current = new ArrayList<>();
        try (InputStream text = RedactionRules.class.getResourceAsStream("redaction_rules.txt");
             BufferedReader lines = new BufferedReader(new InputStreamReader(text, StandardCharsets.UTF_8))) {
            for (String line; (line = lines.readLine()) != null; ) {
                if (line.startsWith("[") && line.endsWith("]")) {
                    current = sections.computeIfAbsent(line.substring(1, line.length() - 1), name -> new ArrayList<>());
                } else if (!line.isEmpty() && !line.startsWith("#")) {
                    current.add(line);
                }
            }
        } catch (IOException unreadable) {
            throw new UncheckedIOException(unreadable);
        }
        return new RedactionRules(sections);
    }
}
