(function () {
  var root = document.documentElement;
  document.getElementById("theme").addEventListener("click", function () {
    var dark = root.dataset.theme
      ? root.dataset.theme === "dark"
      : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
  });

  var tip = document.getElementById("tip");
  function show(event) {
    var term = event.currentTarget, box = term.getBoundingClientRect();
    tip.textContent = term.dataset.tip;
    tip.hidden = false;
    var left = Math.min(Math.max(8, box.left), innerWidth - tip.offsetWidth - 8);
    var above = box.top - tip.offsetHeight - 8;
    tip.style.left = left + "px";
    tip.style.top = (above > 8 ? above : box.bottom + 8) + "px";
  }
  function hide() { tip.hidden = true; }
  document.querySelectorAll("abbr[title]").forEach(function (term) {
    term.dataset.tip = term.title;
    term.setAttribute("aria-description", term.title);
    term.removeAttribute("title");
    term.addEventListener("pointerenter", show);
    term.addEventListener("focus", show);
    term.addEventListener("pointerleave", hide);
    term.addEventListener("blur", hide);
  });
  addEventListener("scroll", hide, { passive: true });
  addEventListener("keydown", function (event) { if (event.key === "Escape") hide(); });

  var closed = [];
  addEventListener("beforeprint", function () {
    closed = Array.from(document.querySelectorAll("details:not([open])"));
    closed.forEach(function (drawer) { drawer.open = true; });
  });
  addEventListener("afterprint", function () { closed.forEach(function (drawer) { drawer.open = false; }); });

  var links = {};
  document.querySelectorAll("nav a").forEach(function (link) { links[link.hash.slice(1)] = link; });
  var seen = new IntersectionObserver(function (entries) {
    entries.forEach(function (entry) {
      if (!entry.isIntersecting) return;
      document.querySelectorAll("nav a[aria-current]").forEach(function (link) { link.removeAttribute("aria-current"); });
      if (links[entry.target.id]) links[entry.target.id].setAttribute("aria-current", "location");
    });
  }, { rootMargin: "-10% 0px -75% 0px" });
  document.querySelectorAll("section.hero, section.block").forEach(function (section) { seen.observe(section); });
})();
