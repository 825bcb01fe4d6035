// The lineage view: a drawing to move about in. Without it, the drawing is an image, on a server one of links.

import { FileSite, type ViewData } from "./file";
import { ServerSite } from "./site";
import { View } from "./view";

const root = document.querySelector<HTMLElement>(".lineage-view");
const data = document.getElementById("lineage-data"), holder = root?.querySelector(".graph");
if (root && data && holder) new View(root, new FileSite(holder, JSON.parse(data.textContent ?? "") as ViewData));
else if (root) new View(root, new ServerSite());
