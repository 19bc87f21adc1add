/** The fields of a search for messages. */
import { inline } from "../format.ts";
import type { MessageFilter } from "../message-types.ts";
import { DEATH_REASONS } from "../messages/deaths.ts";
import { PROPERTIES } from "../messages/filter.ts";
import type { Arguments } from "../types.ts";
import { SelectField, TextField } from "./form.tsx";

export function FilterFields({ of }: { of: MessageFilter }) {
  const [header = "", headerValue = ""] = firstOf(of.headers, isJson);
  const [property = "", propertyValue = ""] = firstOf(of.properties, () => false);
  return (
    <div class="pairs-of-fields">
      <TextField label="Body has" name="body" value={of.body ?? ""} hint="This text, anywhere in it." />
      <TextField label="Routing key" name="routing_key" value={of.routing_key ?? ""} hint="All of it." />
      <TextField label="Header" name="header" value={header} />
      <TextField
        label="… is"
        name="header_value"
        value={headerValue}
        hint='Nothing for any. 7 is the number, "7" the text.'
      />
      <SelectField
        label="Property"
        name="property"
        value={property}
        options={[{ value: "", label: "" }, ...PROPERTIES]}
      />
      <TextField label="… is" name="property_value" value={propertyValue} hint="Nothing for any." />
      <SelectField
        label="Died because"
        name="death_reason"
        value={of.death_reason ?? ""}
        options={[{ value: "", label: "of anything, or not" }, ...DEATH_REASONS]}
      />
      <TextField label="Died in queue" name="death_queue" value={of.death_queue ?? ""} />
      <TextField
        label="Exchange"
        name="from_exchange"
        value={of.exchange === "" ? "amq.default" : (of.exchange ?? "")}
        hint="That it was published to; a dead letter, the last."
      />
    </div>
  );
}

/** The form has room for one of each. */
function firstOf(given: Arguments | undefined, isAmbiguous: (text: string) => boolean): [string?, string?] {
  const first = Object.entries(given ?? {})[0];
  if (first === undefined) return [];
  const [name, value] = first;
  if (value === null || value === undefined) return [name, ""];
  return [name, typeof value === "string" && isAmbiguous(value) ? JSON.stringify(value) : inline(value)];
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
