// A page by itself: what it shows lies in it, packed; nothing is fetched and nothing is sent.
const packed = Uint8Array.from(atob(document.getElementById("held").textContent.trim()), (letter) => letter.charCodeAt(0));
const unpacked = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
const bytes = new Uint8Array(await new Response(unpacked).arrayBuffer());
mount({ parentElement: document.body, data: bytes, setTriggerValue() {} });
// The colours follow the reader's system.
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => browsers.get(document.querySelector(".browser")).paint());
