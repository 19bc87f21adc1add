/** Said in the place of an object that is not there. */

import { visible } from "../format.ts";
import { href } from "../router.ts";
import { PageTitle } from "./facts.tsx";

export function Missing({
  what,
  name,
  list,
  wasThere,
}: {
  what: string;
  name: string;
  list: string;
  wasThere: boolean;
}) {
  return (
    <>
      <PageTitle>
        {wasThere ? `This ${what} is gone` : `No such ${what}`}: <span class="mono">{visible(name)}</span>
      </PageTitle>
      <p>
        {wasThere
          ? "It was there while this page was open."
          : "It may have been deleted, or never have been there, or you may not see it."}{" "}
        <a href={href(list)}>All {what === "policy" ? "policies" : `${what}s`}</a>
      </p>
    </>
  );
}
