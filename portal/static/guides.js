// Guided acts without a network: the same facts of the same answers as `onefact.guided.facts` makes on the server.
import { parse } from "./citizen_id.js";

/** Return what a valid citizen number says. */
function read(number) {
  const said = parse(number ?? "");
  return said.valid ? { birth_date: said.birth, sex: said.sex } : {};
}

const given = (answers, name) => (answers[name] ?? "").trim();

/** Return the questions that have to be answered and are not. */
export function missing(guide, answers) {
  const said = { ...answers };
  for (const [name, value] of Object.entries(read(answers["new.id_number"]))) said[`new.${name}`] = value;
  return guide.asks.filter((a) => a.required && !given(said, a.name));
}

/** Return the facts. `place` is {subject, mate, address, stamp}: ids, full text, and (of, field) -> what was seen of the field. */
export function factsOf(guide, answers, place) {
  const today = new Date().toLocaleDateString("sv-SE");
  const ids = { new: "new", self: place.subject, mate: place.mate };
  const told = new Map();
  const say = (of, entity_type, field, value) => {
    const name = `${of}.${field}`;
    if (ids[of] && value && !told.has(name)) told.set(name, { entity_type, entity: ids[of], field, value, seen: place.stamp?.(of, field) ?? null });
  };
  for (const a of guide.asks) say(a.of, a.type, a.field, given(answers, a.name));
  for (const [field, value] of Object.entries(read(answers["new.id_number"]))) say("new", "person", field, value);
  for (const [of, type, field, value] of guide.follows) say(of, type, field, value.replace("{address}", place.address).replace("{today}", today));
  return [...told.values()];
}
