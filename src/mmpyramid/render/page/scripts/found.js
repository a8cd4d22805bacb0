/* The page of what a library has: a link to a moment plays it in the player above it. */

for (const link of document.querySelectorAll("[data-start]")) {
  link.addEventListener("click", (event) => {
    const player = link.closest("section").querySelector("video");
    if (player.error) return;
    event.preventDefault();
    player.currentTime = Number(link.dataset.start);
    player.play();
  });
}
