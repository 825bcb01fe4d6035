package lamin.nextflow;

import static java.lang.Integer.rotateRight;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.util.ArrayDeque;
import java.util.Deque;

/** BLAKE3 as its specification writes it down: unkeyed, 32 bytes out, fed piece by piece. */
final class Blake3 {
    private static final int[] IV = {
        0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A, 0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19
    };
    private static final int[] PERMUTATION = {2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8};
    private static final byte[][] SCHEDULE = schedule();
    private static final VarHandle LITTLE_ENDIAN =
        MethodHandles.byteArrayViewVarHandle(int[].class, ByteOrder.LITTLE_ENDIAN);
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
        for (int i = 0; i < 16; i++) words[i] = (int) LITTLE_ENDIAN.get(block, i * 4);
        return words;
    }

    private static int[] join(int[] left, int[] right) {
        int[] message = new int[16];
        System.arraycopy(left, 0, message, 0, 8);
        System.arraycopy(right, 0, message, 8, 8);
        return message;
    }

    /** In sixteen variables, not in an array: that is what makes it quick. */
    private static int[] compress(int[] cv, int[] m, long counter, int length, int flags) {
        int v0 = cv[0], v1 = cv[1], v2 = cv[2], v3 = cv[3], v4 = cv[4], v5 = cv[5], v6 = cv[6], v7 = cv[7];
        int v8 = IV[0], v9 = IV[1], v10 = IV[2], v11 = IV[3];
        int v12 = (int) counter, v13 = (int) (counter >>> 32), v14 = length, v15 = flags;
        for (byte[] s : SCHEDULE) {
            v0 += v4 + m[s[0]]; v12 = rotateRight(v12 ^ v0, 16); v8 += v12; v4 = rotateRight(v4 ^ v8, 12);
            v0 += v4 + m[s[1]]; v12 = rotateRight(v12 ^ v0, 8); v8 += v12; v4 = rotateRight(v4 ^ v8, 7);
            v1 += v5 + m[s[2]]; v13 = rotateRight(v13 ^ v1, 16); v9 += v13; v5 = rotateRight(v5 ^ v9, 12);
            v1 += v5 + m[s[3]]; v13 = rotateRight(v13 ^ v1, 8); v9 += v13; v5 = rotateRight(v5 ^ v9, 7);
            v2 += v6 + m[s[4]]; v14 = rotateRight(v14 ^ v2, 16); v10 += v14; v6 = rotateRight(v6 ^ v10, 12);
            v2 += v6 + m[s[5]]; v14 = rotateRight(v14 ^ v2, 8); v10 += v14; v6 = rotateRight(v6 ^ v10, 7);
            v3 += v7 + m[s[6]]; v15 = rotateRight(v15 ^ v3, 16); v11 += v15; v7 = rotateRight(v7 ^ v11, 12);
            v3 += v7 + m[s[7]]; v15 = rotateRight(v15 ^ v3, 8); v11 += v15; v7 = rotateRight(v7 ^ v11, 7);
            v0 += v5 + m[s[8]]; v15 = rotateRight(v15 ^ v0, 16); v10 += v15; v5 = rotateRight(v5 ^ v10, 12);
            v0 += v5 + m[s[9]]; v15 = rotateRight(v15 ^ v0, 8); v10 += v15; v5 = rotateRight(v5 ^ v10, 7);
            v1 += v6 + m[s[10]]; v12 = rotateRight(v12 ^ v1, 16); v11 += v12; v6 = rotateRight(v6 ^ v11, 12);
            v1 += v6 + m[s[11]]; v12 = rotateRight(v12 ^ v1, 8); v11 += v12; v6 = rotateRight(v6 ^ v11, 7);
            v2 += v7 + m[s[12]]; v13 = rotateRight(v13 ^ v2, 16); v8 += v13; v7 = rotateRight(v7 ^ v8, 12);
            v2 += v7 + m[s[13]]; v13 = rotateRight(v13 ^ v2, 8); v8 += v13; v7 = rotateRight(v7 ^ v8, 7);
            v3 += v4 + m[s[14]]; v14 = rotateRight(v14 ^ v3, 16); v9 += v14; v4 = rotateRight(v4 ^ v9, 12);
            v3 += v4 + m[s[15]]; v14 = rotateRight(v14 ^ v3, 8); v9 += v14; v4 = rotateRight(v4 ^ v9, 7);
        }
        return new int[] {v0 ^ v8, v1 ^ v9, v2 ^ v10, v3 ^ v11, v4 ^ v12, v5 ^ v13, v6 ^ v14, v7 ^ v15};
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
