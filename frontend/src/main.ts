// The lineage view: it makes the server's drawing one to move about in. Without it, the drawing is an image of links.

import { View } from "./view";

const root = document.querySelector<HTMLElement>(".lineage-view");
if (root) new View(root);
