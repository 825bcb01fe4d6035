package lamin.nextflow;

import static lamin.nextflow.WorkflowReader.ask;

import java.lang.reflect.Field;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import nextflow.Session;

/**
 * Where Nextflow's copies of remote inputs come from. A task is told of `work/stage-...` alone; the address is in the list of
 * transfers, and only for as long as a transfer takes. So that list is replaced by one that remembers.
 */
final class RemoteFiles {
    private final Map<Path, Path> addresses = new ConcurrentHashMap<>();

    /** From now on; where this version of Nextflow keeps its transfers in another way, no address is known. */
    void watch(Session session) {
        ask(() -> {
            Object porter = session.getFilePorter();
            Field field = porter.getClass().getDeclaredField("stagingTransfers");
            field.setAccessible(true);
            Map<?, ?> transfers = (Map<?, ?>) field.get(porter);
            if (transfers.getClass().getPackageName().startsWith("java.util") && transfers.isEmpty()) field.set(porter, new Transfers());
            return null;
        });
    }

    /** The address of this copy, or null. */
    Path address(Path copy) {
        return addresses.get(DatasetName.normal(copy));
    }

    private void note(Object transfer) {
        Object source = ask(() -> transfer.getClass().getMethod("getSource").invoke(transfer));
        Object target = ask(() -> transfer.getClass().getMethod("getTarget").invoke(transfer));
        if (source instanceof Path && target instanceof Path) addresses.put(DatasetName.normal((Path) target), (Path) source);
    }

    private final class Transfers extends HashMap<Object, Object> {
        private static final long serialVersionUID = 1;

        @Override
        public Object put(Object transfer, Object state) {
            note(transfer);
            return super.put(transfer, state);
        }
    }
}
