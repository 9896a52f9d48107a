// One instrument for the whole report: the chooser hands it the bytes of the sequence, layer and direction asked for.
const place = document.getElementById("mount");
const choosers = ["sequence", "run"].map((id) => document.getElementById(id));

function tellWhatIsMissing(name, cursor) {
  if (name !== "cursor") return;
  const formulas = place.querySelector(".gv-formulas");
  if (!formulas.classList.contains("gv-waiting")) return;
  formulas.classList.remove("gv-waiting");
  formulas.textContent = `The equations of unit ${cursor.unit + 1} are not in this file, which would be too large.`;
}

function showChosen() {
  const packed = document.getElementById(`view-${choosers.map((each) => each.value).join("-")}`).textContent;
  const data = Uint8Array.from(atob(packed), (c) => c.charCodeAt(0));
  mount({ data, parentElement: place, setStateValue: tellWhatIsMissing });
}

for (const each of choosers) {
  each.addEventListener("change", showChosen);
  each.parentElement.hidden = each.options.length < 2;
}
if (choosers[0].options.length) showChosen();
