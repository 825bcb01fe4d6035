"""Where the biological registries will be; importing it says that they are not here yet."""

import lamin_core

raise lamin_core._not_yet("bionty")
