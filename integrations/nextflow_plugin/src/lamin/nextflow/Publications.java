package lamin.nextflow;

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.stream.Collectors;

/**
 * Which task made the files that Nextflow publishes. Since 23.04 it tells the source; before, the content must. A file may
 * be published before its task is known to have ended.
 */
final class Publications {
    private static final int MOVING = 10;
    private static final long PAUSE = 50; // milliseconds

    private static final class Product {
        final Attempt maker;
        final String fileName;

        Product(Attempt maker, String fileName) {
            this.maker = maker;
            this.fileName = fileName;
        }
    }

    /** Of every task of the pipeline until its end: so no paths, but what tells them apart. */
    private final Map<UUID, Attempt> byFolder = new ConcurrentHashMap<>();
    private final Map<String, List<Product>> byContent = new ConcurrentHashMap<>();
    private final Map<Path, Publication> moved = new ConcurrentHashMap<>();
    private final Map<Path, Publication> waiting = new LinkedHashMap<>();
    private volatile boolean byContentOnly;
    /** By the published file. */
    private final Map<UUID, Attempt> publishers = new ConcurrentHashMap<>();

    /** Whether this Nextflow is one before 23.04, which names no source of what it publishes. */
    void findByContent(boolean isOld) {
        byContentOnly = isOld;
    }

    /** What lies in this folder, or is this file, was made by this task. */
    void madeIn(Path place, Attempt maker) {
        if (place != null) byFolder.put(key(DatasetName.normal(place)), maker);
    }

    private static UUID key(Path path) {
        return UUID.nameUUIDFromBytes(path.toString().getBytes(StandardCharsets.UTF_8));
    }

    /** This content was made by this task. Only where Nextflow names no sources is that of use. */
    void made(Dataset dataset, Attempt maker) {
        if (!byContentOnly || dataset.content == null || dataset.content.hash == null) return;
        byContent.computeIfAbsent(dataset.content.hash, hash -> new CopyOnWriteArrayList<>())
            .add(new Product(maker, dataset.name.fileName()));
    }

    /** Take a publication; the task that made it, or null: then it waits for {@link #remaining}. */
    synchronized Attempt published(Publication publication) {
        Path target = DatasetName.normal(publication.target);
        if (publication.isMoved()) moved.put(DatasetName.normal(publication.source), publication);
        if (!publication.isSourceTold && publishers.containsKey(key(target))) return null; // the short form of what was told already
        Attempt maker = publication.source == null ? null : maker(publication.source);
        if (maker == null) {
            waiting.merge(target, publication, (old, now) -> now.isSourceTold ? now : old);
            return null;
        }
        waiting.remove(target);
        publishers.put(key(target), maker);
        return maker;
    }

    /** The publications whose makers were not known when they came. */
    synchronized Collection<Publication> remaining() {
        List<Publication> found = List.copyOf(waiting.values());
        waiting.clear();
        return found;
    }

    /** The task that published this file, or null. */
    Attempt publisher(Path target) {
        return publishers.get(key(DatasetName.normal(target)));
    }

    /** The task that made this file, or null. */
    Attempt maker(Path source) {
        for (Path place = DatasetName.normal(source); place != null; place = place.getParent()) {
            Attempt maker = byFolder.get(key(place));
            if (maker != null) return maker;
        }
        return null;
    }

    /** The only task that made this content, under this name if there are several; null if even then it could be more than one. */
    Attempt maker(Dataset dataset) {
        if (dataset.content == null || dataset.content.hash == null) return null;
        List<Product> products = byContent.getOrDefault(dataset.content.hash, List.of());
        Attempt only = only(products);
        if (only != null) return only;
        return only(products.stream().filter(p -> p.fileName.equals(dataset.name.fileName())).collect(Collectors.toList()));
    }

    private static Attempt only(List<Product> products) {
        List<Attempt> makers = products.stream().map(p -> p.maker).distinct().collect(Collectors.toList());
        return makers.size() == 1 ? makers.get(0) : null;
    }

    /** The content of an output; {@code publishDir mode: 'move'} has taken it elsewhere, where a later task may have replaced it. */
    Digest content(Path output, Hasher hasher) throws InterruptedException {
        Path path = DatasetName.normal(output);
        for (int pauses = 0; ; pauses++) {
            Publication publication = moved.get(path);
            if (publication != null) return publication.isReplaced() ? null : hasher.digest(publication.target);
            Digest content = hasher.digest(output);
            boolean isBeingMoved = (content == null || content.hash == null) && DatasetName.isLocal(output) && !Files.exists(output);
            if (!isBeingMoved || pauses == MOVING) return content;
            Thread.sleep(PAUSE); // it is moved already, and Nextflow is about to say where to
        }
    }
}
