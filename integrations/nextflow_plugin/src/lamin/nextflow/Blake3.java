package lamin.nextflow;

import java.util.ArrayDeque;
import java.util.Deque;

/** BLAKE3 as its specification writes it down: unkeyed, 32 bytes out, fed piece by piece. */
final class Blake3 {
    private static final int[] IV = {
        0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A, 0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19
    };
    private static final int[] PERMUTATION = {2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8};
    private static final byte[][] SCHEDULE = schedule();
    private static final int BLOCK = 64;
    private static final int CHUNK = 1024;
    private static final int CHUNK_START = 1;
    private static final int CHUNK_END = 2;
    private static final int PARENT = 4;
    private static final int ROOT = 8;

    private final byte[] block = new byte[BLOCK];
    private final int[] words = new int[16];
    private final Deque<int[]> stack = new ArrayDeque<>();
    private int[] chaining = IV.clone();
    private int filled;
    private int compressed;
    private long chunk;

    /** Take these bytes. */
    Blake3 update(byte[] data, int offset, int length) {
        while (length > 0) {
            if (filled == BLOCK) {
                if (compressed * BLOCK + BLOCK == CHUNK) finishChunk();
                else {
                    chaining = compress(chaining, load(), chunk, BLOCK, start());
                    compressed++;
                    filled = 0;
                }
            }
            int taken = Math.min(BLOCK - filled, length);
            System.arraycopy(data, offset, block, filled, taken);
            filled += taken;
            offset += taken;
            length -= taken;
        }
        return this;
    }

    Blake3 update(byte[] data) {
        return update(data, 0, data.length);
    }

    /** The 32 bytes; nothing may be fed afterwards. */
    byte[] digest() {
        int[] left = chaining;
        int[] message = load();
        int length = filled;
        int flags = start() | CHUNK_END;
        long counter = chunk;
        while (!stack.isEmpty()) {
            message = join(stack.pop(), compress(left, message, counter, length, flags));
            left = IV;
            length = BLOCK;
            flags = PARENT;
            counter = 0;
        }
        return bytes(compress(left, message, 0, length, flags | ROOT));
    }

    String hex() {
        return hex(digest());
    }

    static String hex(byte[] bytes) {
        StringBuilder text = new StringBuilder(bytes.length * 2);
        for (byte b : bytes) text.append(Character.forDigit(b >> 4 & 15, 16)).append(Character.forDigit(b & 15, 16));
        return text.toString();
    }

    private int start() {
        return compressed == 0 ? CHUNK_START : 0;
    }

    private void finishChunk() {
        int[] value = compress(chaining, load(), chunk, BLOCK, start() | CHUNK_END);
        for (long done = ++chunk; (done & 1) == 0; done >>= 1) {
            value = compress(IV, join(stack.pop(), value), 0, BLOCK, PARENT);
        }
        stack.push(value);
        chaining = IV;
        compressed = 0;
        filled = 0;
    }

    private int[] load() {
        for (int i = filled; i < BLOCK; i++) block[i] = 0;
        for (int i = 0; i < 16; i++) {
            int at = i * 4;
            words[i] = block[at] & 255 | (block[at + 1] & 255) << 8 | (block[at + 2] & 255) << 16 | block[at + 3] << 24;
        }
        return words;
    }

    private static int[] join(int[] left, int[] right) {
        int[] message = new int[16];
        System.arraycopy(left, 0, message, 0, 8);
        System.arraycopy(right, 0, message, 8, 8);
        return message;
    }

    private static int[] compress(int[] cv, int[] m, long counter, int length, int flags) {
        int[] v = new int[16];
        System.arraycopy(cv, 0, v, 0, 8);
        System.arraycopy(IV, 0, v, 8, 4);
        v[12] = (int) counter;
        v[13] = (int) (counter >>> 32);
        v[14] = length;
        v[15] = flags;
        for (byte[] s : SCHEDULE) {
            mix(v, 0, 4, 8, 12, m[s[0]], m[s[1]]);
            mix(v, 1, 5, 9, 13, m[s[2]], m[s[3]]);
            mix(v, 2, 6, 10, 14, m[s[4]], m[s[5]]);
            mix(v, 3, 7, 11, 15, m[s[6]], m[s[7]]);
            mix(v, 0, 5, 10, 15, m[s[8]], m[s[9]]);
            mix(v, 1, 6, 11, 12, m[s[10]], m[s[11]]);
            mix(v, 2, 7, 8, 13, m[s[12]], m[s[13]]);
            mix(v, 3, 4, 9, 14, m[s[14]], m[s[15]]);
        }
        int[] out = new int[8];
        for (int i = 0; i < 8; i++) out[i] = v[i] ^ v[i + 8];
        return out;
    }

    private static void mix(int[] v, int a, int b, int c, int d, int x, int y) {
        v[a] += v[b] + x;
        v[d] = Integer.rotateRight(v[d] ^ v[a], 16);
        v[c] += v[d];
        v[b] = Integer.rotateRight(v[b] ^ v[c], 12);
        v[a] += v[b] + y;
        v[d] = Integer.rotateRight(v[d] ^ v[a], 8);
        v[c] += v[d];
        v[b] = Integer.rotateRight(v[b] ^ v[c], 7);
    }

    private static byte[] bytes(int[] words) {
        byte[] out = new byte[words.length * 4];
        for (int i = 0; i < out.length; i++) out[i] = (byte) (words[i / 4] >>> 8 * (i % 4));
        return out;
    }

    private static byte[][] schedule() {
        byte[][] rounds = new byte[7][16];
        for (byte i = 0; i < 16; i++) rounds[0][i] = i;
        for (int round = 1; round < 7; round++) {
            for (int i = 0; i < 16; i++) rounds[round][i] = rounds[round - 1][PERMUTATION[i]];
        }
        return rounds;
    }
}
