/**
 * The three pages. None of them holds data: the console's own page is a shell that its script fills with text nodes.
 * What does vary (a message of ours, the code of a link) is escaped here.
 */

export function messagePage({ title, text }: { readonly title: string; readonly text: string }): string {
  return page({
    title: 'Countersign',
    body: `<main class="message">
<img src="/console/assets/icon.svg" alt="Countersign" width="40" height="40">
<h1>${escapeHtml(title)}</h1>
<p>${escapeHtml(text)}</p>
<p><a href="/console">Go to the console</a></p>
</main>`,
  })
}

/**
 * Shown by GET, which redeems nothing: a link preview or a prefetch must not burn the code. The button posts it; the
 * script only presses the button for a person who is really looking.
 */
export function openPage(code: string): string {
  return page({
    title: 'Open the console – Countersign',
    script: 'open.js',
    body: `<main class="message">
<img src="/console/assets/icon.svg" alt="Countersign" width="40" height="40">
<h1>Open the console</h1>
<p>This one-time link signs this browser in. Whoever uses it can approve and deny.</p>
<form id="open" method="post" action="/console/open">
<input type="hidden" name="code" value="${escapeHtml(code)}">
<button class="primary">Open the console</button>
</form>
</main>`,
  })
}

export function consolePage(): string {
  return page({
    title: 'Countersign',
    script: 'console.js',
    body: `<header>
<p class="brand"><img src="/console/assets/icon.svg" alt="" width="28" height="28">Countersign</p>
<p id="connection" data-state="connecting" role="status">Connecting…</p>
<p id="reviewer"></p>
<button id="sign-out" class="quiet" type="button">Sign out</button>
</header>
<noscript><p class="notice">The console needs JavaScript, which this browser has turned off.</p></noscript>
<p id="notice" class="notice" role="alert" hidden></p>
<main>
<section id="pending" aria-labelledby="pending-title">
<h1 id="pending-title" tabindex="-1">Waiting for you</h1>
<div id="pending-list" class="cards"></div>
<p id="pending-more" class="aside" hidden></p>
<div id="pending-empty" class="empty" hidden><p>Nothing is waiting.</p><p class="aside">A held call appears here by itself.</p></div>
</section>
<div class="past">
<section aria-labelledby="decided-title">
<h2 id="decided-title">Decided</h2>
<div id="decided-list" class="cards"></div>
<p id="decided-empty" class="aside" hidden>Decisions appear here.</p>
</section>
<section id="notices" aria-labelledby="notices-title" hidden>
<h2 id="notices-title">Notices</h2>
<div id="notices-list" class="cards"></div>
</section>
<section aria-labelledby="sessions-title">
<h2 id="sessions-title">Sessions</h2>
<div id="sessions-list" class="cards"></div>
<p id="sessions-empty" class="aside" hidden>A summary appears here when a session ends.</p>
</section>
</div>
</main>
<p id="announcer" class="unseen" aria-live="polite"></p>`,
  })
}

function page({ title, script, body }: { title: string; script?: string; body: string }): string {
  const scriptTag = script === undefined ? '' : `<script type="module" src="/console/assets/${script}"></script>\n`
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="robots" content="noindex">
<title>${escapeHtml(title)}</title>
<link rel="icon" href="/console/assets/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/console/assets/console.css">
${scriptTag}</head>
<body>
${body}
</body>
</html>
`
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)
}
