package lamin.nextflow;

import java.net.InetAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.concurrent.Callable;

/** What tells this process from all others, in the very form of lamin_core/process.py: read once. */
final class ThisProcess {
    static final long PID = ProcessHandle.current().pid();
    static final String HOST = host();
    /** Machine, boot, namespace of process ids and clock tick of the start; null where there is no /proc. */
    static final String BIRTH = or(ThisProcess::birth, null);

    private ThisProcess() {}

    private static String host() {
        String kernel = text("/proc/sys/kernel/hostname");
        return kernel.isEmpty() ? or(() -> InetAddress.getLocalHost().getHostName(), "localhost") : kernel;
    }

    private static String birth() {
        String stat = text("/proc/self/stat");
        if (stat.isEmpty()) return null;
        String tick = stat.substring(stat.lastIndexOf(") ") + 2).split(" ")[19];
        return String.join("/", hidden(text("/etc/machine-id")), text("/proc/sys/kernel/random/boot_id"), namespace(), tick);
    }

    private static String namespace() {
        String link = or(() -> Files.readSymbolicLink(Path.of("/proc/self/ns/pid")).toString(), "");
        return link.replaceAll("^[^0-9]*|[^0-9]*$", "");
    }

    /** The id of a machine is not for everybody to know. */
    private static String hidden(String machine) {
        if (machine.isEmpty()) return "";
        try {
            byte[] digest = MessageDigest.getInstance("SHA-256").digest(("lamin " + machine).getBytes(StandardCharsets.UTF_8));
            StringBuilder hex = new StringBuilder();
            for (int i = 0; i < 8; i++) hex.append(String.format("%02x", digest[i]));
            return hex.toString();
        } catch (NoSuchAlgorithmException impossible) {
            return ""; // every Java has SHA-256
        }
    }

    private static String text(String file) {
        return or(() -> new String(Files.readAllBytes(Path.of(file)), StandardCharsets.UTF_8).trim(), "");
    }

    private static String or(Callable<String> question, String otherwise) {
        try {
            return question.call();
        } catch (Exception unknown) {
            return otherwise;
        }
    }
}
