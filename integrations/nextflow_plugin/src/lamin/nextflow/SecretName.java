package lamin.nextflow;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** What a field's name says: which words of it make it the name of a secret. */
final class SecretName {
    private static final Pattern WORD = Pattern.compile("[A-Z]+(?![a-z])|[A-Z]?[a-z]+");
    private static final int LONGEST = 120; // a longer run of letters is no name

    final String words;
    final boolean isStrong;
    final boolean isWeak;
    final boolean isVague; // only a value that looks like a secret is one

    private SecretName(String words, RedactionRules rules) {
        this.words = words;
        isStrong = rules.strong.contains(words);
        isWeak = rules.weak.contains(words);
        isVague = rules.random.contains(words);
    }

    /** The words of a name that make it the name of a secret, or null. */
    static SecretName of(String name, RedactionRules rules) {
        String found = secretWords(words(name), rules);
        return found == null ? null : new SecretName(found, rules);
    }

    /** Whether a field of this name holds a secret, whatever it looks like. */
    static boolean isSecret(String name, RedactionRules rules) {
        SecretName found = of(name, rules);
        return found != null && !found.isVague;
    }

    static List<String> words(String name) {
        List<String> words = new ArrayList<>();
        Matcher matcher = WORD.matcher(name.substring(Math.max(0, name.length() - LONGEST)));
        while (matcher.find()) words.add(matcher.group().toLowerCase(Locale.ROOT));
        return words;
    }

    private static String secretWords(List<String> words, RedactionRules rules) {
        int count = words.size();
        for (int start = 0; start < count; start++) {
            for (int size = 2; size > 0; size--) {
                int end = Math.min(start + size, count);
                String phrase = String.join(" ", words.subList(start, end));
                String follower = end < count ? words.get(end) : "";
                if (rules.secret.contains(phrase) && !rules.notAfter.contains(follower)) return phrase;
            }
        }
        for (int size = 2; size > 0; size--) {
            String phrase = String.join(" ", words.subList(Math.max(0, count - size), count));
            String before = count > size ? words.get(count - size - 1) : "";
            if (rules.last.contains(phrase) && !rules.notBeforeLast.contains(before)) return phrase;
        }
        return null;
    }
}
