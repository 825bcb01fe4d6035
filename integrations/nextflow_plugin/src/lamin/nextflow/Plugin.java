package lamin.nextflow;

import nextflow.plugin.BasePlugin;
import org.pf4j.PluginWrapper;

/** The door for those who load it as a plugin: {@code plugins { id 'nf-lamin-lineage@VERSION' }}. */
public final class Plugin extends BasePlugin {
    public Plugin(PluginWrapper wrapper) {
        super(wrapper);
    }
}
