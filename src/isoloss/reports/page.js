(() => {
  "use strict";
  const { specs, themes } = JSON.parse(document.getElementById("chart-data").textContent);
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  let drawn = [];

  const options = (theme) => ({
    ast: true,
    actions: false,
    defaultStyle: false,
    mode: "vega-lite",
    renderer: "svg",
    tooltip: { disableDefaultStyle: true },
    config: theme,
  });

  async function draw() {
    drawn.splice(0).forEach((view) => view.finalize());
    const theme = themes[dark.matches ? "dark" : "light"];
    for (const [name, spec] of Object.entries(specs)) {
      const element = document.getElementById(`chart-${name}`);
      try {
        drawn.push(await window.vegaEmbed(element, spec, options(theme)));
      } catch (error) {
        element.textContent = `This chart could not be drawn: ${error.message}`;
        console.error(error);
      }
    }
    document.documentElement.dataset.drawn = dark.matches ? "dark" : "light";
  }

  // One drawing at a time, the last wish wins: a change of scheme waits for the one before.
  let queue = draw();
  dark.addEventListener("change", () => {
    queue = queue.then(draw);
  });
})();
