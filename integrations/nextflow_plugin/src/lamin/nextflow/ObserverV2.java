package lamin.nextflow;

import static lamin.nextflow.WorkflowReader.ask;

import java.lang.reflect.Field;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import nextflow.Session;

/**
 * The hooks that Nextflow has since 25.04 beside those of {@link Observer}: the labels of published files, and the outputs of the
 * workflow. By reflection, for a factory of that kind in the index of this jar would abort Nextflow 22.10.
 */
final class ObserverV2 {
    /** What of them is of interest. */
    interface Hooks {
        void published(Path target, Path source, List<String> labels);

        void output(String name, Object value, Path index);
    }

    private static final String INTERFACE = "nextflow.trace.TraceObserverV2";
    private static final String FIELD = "observersV2";

    private ObserverV2() {}

    /** Whether this session will call these hooks: false before 25.04, or where a later version has them elsewhere. */
    static boolean register(Session session, Hooks hooks) {
        return Boolean.TRUE.equals(ask(() -> {
            Class<?> type = Class.forName(INTERFACE, false, Session.class.getClassLoader());
            Field field = Session.class.getDeclaredField(FIELD);
            field.setAccessible(true);
            List<Object> observers = new ArrayList<>((List<?>) field.get(session));
            observers.add(proxy(type, hooks));
            field.set(session, observers); // a list of its own: the old one may be read at this time
            return true;
        }));
    }

    private static Object proxy(Class<?> type, Hooks hooks) {
        return Proxy.newProxyInstance(type.getClassLoader(), new Class<?>[] {type}, (proxy, method, arguments) -> {
            switch (method.getName()) {
                case "onFilePublish": return quietly(() -> publish(hooks, arguments[0]));
                case "onWorkflowOutput": return quietly(() -> output(hooks, arguments[0]));
                case "equals": return proxy == arguments[0];
                case "hashCode": return System.identityHashCode(proxy);
                case "toString": return "lamin lineage";
                default: return method.getReturnType() == boolean.class ? false : null;
            }
        });
    }

    private static void publish(Hooks hooks, Object event) throws ReflectiveOperationException {
        List<String> labels = new ArrayList<>();
        Values.eachLeaf(get(event, "getLabels"), label -> labels.add(String.valueOf(label)));
        hooks.published((Path) get(event, "getTarget"), (Path) get(event, "getSource"), labels);
    }

    private static void output(Hooks hooks, Object event) throws ReflectiveOperationException {
        hooks.output((String) get(event, "getName"), get(event, "getValue"), (Path) get(event, "getIndex"));
    }

    private static Object get(Object event, String getter) throws ReflectiveOperationException {
        Method method = event.getClass().getMethod(getter);
        return method.invoke(event);
    }

    private interface Hook {
        void run() throws Exception;
    }

    /** Nothing goes out to Nextflow. */
    private static Object quietly(Hook hook) {
        try {
            hook.run();
        } catch (Exception | LinkageError unknown) {
            Warnings.say("some lineage is missing: " + unknown);
        }
        return null;
    }
}
