/** The page of several timelines of one video. */

import { markRows } from "./event-list.js";
import { Model } from "./model.js";
import { readData, startPage } from "./start.js";

const data = await readData();
startPage(new Model(data), data, markRows);
