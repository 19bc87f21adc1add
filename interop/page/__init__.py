"""amqpy's own web page in a browser, as an operator sits before it, with clients at work beside it.

    python -m interop.page                        everything, in Debian's Chromium
    python -m interop.page --screenshots DIR      and a picture of each page in both themes
    python -m interop.page -- -k hostile -x       arguments of pytest
    python -m interop.page --screenshots docs/ui -- -k gallery    the pictures of docs/ui.md; takes ten minutes

Nothing may go wrong unseen: a warning in the console, a script that fails or an answer that says no fails the test in
which it happens, unless that is what the test is about.

It takes root, who may install Chromium, or else Chromium; Node and npm, for the page; and what is installed into
`.interop/page`, which may be thrown away: Playwright, pika, Pillow, pytest and axe-core, the rules for accessibility.
"""
