/* Everything works without this file except printing from the button. The check of proofs is proof.js. */
"use strict";

for (const button of document.querySelectorAll("[data-print]")) button.addEventListener("click", () => window.print());

window.addEventListener("beforeprint", () => {
  for (const details of document.querySelectorAll(".technical")) details.open = true;
});

/* A link to a form inside a closed <details> opens it; some older browsers do not do this by themselves. */
function openTarget() {
  const target = location.hash.length > 1 && document.getElementById(location.hash.slice(1));
  const details = target && target.closest("details");
  if (!details) return;
  details.open = true;
  details.querySelector("summary").focus();
}
window.addEventListener("hashchange", openTarget);
openTarget();
