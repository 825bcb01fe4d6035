package lamin.nextflow;

import java.util.Collection;
import java.util.List;
import java.util.Map;
import nextflow.Session;
import nextflow.trace.TraceObserver;
import nextflow.trace.TraceObserverFactory;

/** What Nextflow finds in {@code META-INF/extensions.idx}: makes the one observer of a session. */
public final class ObserverFactory implements TraceObserverFactory {
    private static final String SEEN = "lamin.nextflow.session";

    /** Empty for a dry run ({@code -preview}), where nothing is executed, and when the jar was loaded in two ways at once. */
    @Override
    public Collection<TraceObserver> create(Session session) {
        try {
            // A system property, for the two copies would have a class loader each.
            String id = session.getUniqueId() + " " + session.getRunName();
            if (Boolean.TRUE.equals(WorkflowReader.ask(() -> session.isPreview())) || id.equals(System.setProperty(SEEN, id))) return List.of();
            Map<?, ?> scope = Settings.scope(session);
            if (!Settings.isEnabled(scope)) return List.of();
            boolean metrics = Settings.of(scope, System.getenv()).getOrDefault("LAMIN_NEXTFLOW_METRICS", "").trim().equalsIgnoreCase("true");
            return List.of(new Observer(Delivery.of(scope, System.getenv()), metrics));
        } catch (Throwable problem) {
            Warnings.say("lineage is off: " + problem);
            return List.of();
        }
    }
}
