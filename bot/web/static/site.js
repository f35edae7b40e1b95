"use strict";

// Runs before the page is drawn, so that the chosen theme is there from the first moment.
(() => {
  const root = document.documentElement;

  function chosenTheme() {
    try {
      const theme = localStorage.getItem("theme");
      return theme === "light" || theme === "dark" ? theme : "";
    } catch {
      return ""; // the browser keeps nothing; the theme then lasts as long as the page
    }
  }

  function choose(theme) {
    show(theme);
    try {
      if (theme) localStorage.setItem("theme", theme);
      else localStorage.removeItem("theme");
    } catch {
      // as above
    }
  }

  function show(theme) {
    if (theme) root.dataset.theme = theme;
    else delete root.dataset.theme;
  }

  function isDark() {
    return root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  }

  show(chosenTheme());
  addEventListener("storage", (event) => {
    if (event.key === "theme" || event.key === null) show(chosenTheme());
  });

  document.addEventListener("DOMContentLoaded", () => {
    const button = document.getElementById("theme");
    button.hidden = false;
    button.addEventListener("click", () => {
      choose(isDark() ? "light" : "dark");
      markRadios();
    });

    const themes = document.getElementById("themes");
    const radios = themes ? [...themes.querySelectorAll("input")] : [];
    if (themes) themes.hidden = false;
    function markRadios() {
      for (const radio of radios) radio.checked = radio.value === chosenTheme();
    }
    markRadios();
    for (const radio of radios) radio.addEventListener("change", () => choose(radio.value));

    for (const reveal of document.querySelectorAll("[data-reveals]")) {
      const input = document.getElementById(reveal.dataset.reveals);
      reveal.hidden = false;
      reveal.setAttribute("aria-label", "Show the password");
      reveal.addEventListener("click", () => {
        const shown = input.type === "password";
        input.type = shown ? "text" : "password";
        reveal.textContent = shown ? "Hide" : "Show";
        reveal.setAttribute("aria-pressed", String(shown));
      });
    }

    const atOnce = document.querySelector("form[data-submit-at-once]");
    if (atOnce) atOnce.requestSubmit();
  });
})();
