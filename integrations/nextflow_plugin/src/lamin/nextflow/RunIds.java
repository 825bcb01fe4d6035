package lamin.nextflow;

import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.UUID;

/** Run identities, as lamin_core/uids.py derives them. */
final class RunIds {
    private static final UUID NAMESPACE = UUID.fromString("6f6c2d6c-616d-496e-8000-6c616d696e00");
    private static final String ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    private static final int UID_LENGTH = 16;

    private RunIds() {}

    /** The UUIDv5 that these parts always give. */
    static String derived(String... parts) {
        try {
            MessageDigest sha1 = MessageDigest.getInstance("SHA-1");
            sha1.update(ByteBuffer.allocate(16).putLong(NAMESPACE.getMostSignificantBits())
                .putLong(NAMESPACE.getLeastSignificantBits()).array());
            ByteBuffer digest = ByteBuffer.wrap(sha1.digest(String.join("\0", parts).getBytes(StandardCharsets.UTF_8)));
            long high = digest.getLong() & ~0xF000L | 0x5000L;
            long low = digest.getLong() & ~(3L << 62) | 1L << 63;
            return new UUID(high, low).toString();
        } catch (NoSuchAlgorithmException impossible) {
            throw new IllegalStateException(impossible); // every Java has SHA-1
        }
    }

    /** The registry's uid of the run with this id. */
    static String uid(String runId) {
        byte[] digest = new Blake3().update(("run\0" + runId).getBytes(StandardCharsets.UTF_8)).digest();
        BigInteger number = new BigInteger(1, digest);
        StringBuilder digits = new StringBuilder();
        for (int i = 0; i < UID_LENGTH; i++) {
            BigInteger[] parts = number.divideAndRemainder(BigInteger.valueOf(ALPHABET.length()));
            digits.append(ALPHABET.charAt(parts[1].intValue()));
            number = parts[0];
        }
        return digits.reverse().toString();
    }
}
