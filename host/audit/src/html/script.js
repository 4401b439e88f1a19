"use strict";
(() => {
  const tasks = [...document.querySelectorAll(".task")];
  const bar = document.getElementById("filter");
  if (bar && tasks.length > 1) {
    const label = document.createElement("label");
    label.htmlFor = "wanted";
    label.textContent = "Only tasks with";
    const input = document.createElement("input");
    input.id = "wanted";
    input.type = "search";
    input.placeholder = "a name, an agent or a state";
    const count = document.createElement("span");
    count.setAttribute("role", "status");
    count.className = "more";
    const texts = tasks.map((task) => (task.querySelector("summary") || task).textContent.toLowerCase());
    input.addEventListener("input", () => {
      const wanted = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      document.querySelectorAll("#tasks .rest").forEach((rest) => { rest.open = wanted.length > 0; });
      tasks.forEach((task, at) => {
        task.hidden = !wanted.every((word) => texts[at].includes(word));
        shown += task.hidden ? 0 : 1;
      });
      count.textContent = shown + " of " + tasks.length;
    });
    const fold = (text, open) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = text;
      button.addEventListener("click", () => tasks.forEach((task) => {
        if ("open" in task && !task.hidden) task.open = open;
      }));
      return button;
    };
    bar.append(label, input, fold("Unfold all", true), fold("Fold all", false), count);
    bar.hidden = false;
  }
  const show = () => {
    const target = document.getElementById(location.hash.slice(1));
    if (target && target.classList.contains("task")) {
      target.hidden = false;
      for (let at = target; at; at = at.parentElement) if ("open" in at) at.open = true;
      target.scrollIntoView();
    }
  };
  addEventListener("hashchange", show);
  show();
})();
