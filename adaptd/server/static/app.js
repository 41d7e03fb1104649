// Keeps the live parts of the page fresh. Without it every page still works, after a reload.
"use strict";

(() => {
  const RETRY_MILLISECONDS = 3000;
  const connection = document.getElementById("connection");
  const { path, seen } = document.getElementById("main").dataset;
  let source = null;
  let isLoading = false;
  let isStale = false;
  let isLeftOut = false;

  function say(text) {
    connection.textContent = text;
    connection.hidden = text === "";
  }

  // A form that somebody writes in is never replaced: not the comment, and not the digest it names.
  function isInUse(part) {
    return [...part.querySelectorAll("textarea")].some(
      (field) => field.value !== field.defaultValue || field === document.activeElement,
    );
  }

  function isHeld(part) {
    const selection = getSelection();
    return (
      part.contains(document.activeElement) ||
      (selection.type === "Range" && part.contains(selection.anchorNode))
    );
  }

  function renew(part, fresh) {
    if (part.hasAttribute("data-form") && isInUse(part)) {
      const token = part.querySelector("input[name=token]");
      const freshToken = fresh.querySelector("input[name=token]");
      const digest = part.querySelector("input[name=digest]");
      const freshDigest = fresh.querySelector("input[name=digest]");
      if (token && freshToken) token.value = freshToken.value;
      if (!freshDigest || freshDigest.value !== digest.value) {
        say("This proposal has been settled meanwhile. Reload to see how.");
      }
      return;
    }
    // Replacing it would take the keyboard's place or the selection away.
    if (isHeld(part)) {
      isLeftOut = true;
      return;
    }
    const scrolled = [...part.querySelectorAll(".scroll")].map((box) => box.scrollLeft);
    part.replaceWith(document.adoptNode(fresh));
    [...fresh.querySelectorAll(".scroll")].forEach((box, index) => {
      box.scrollLeft = scrolled[index] ?? 0;
    });
  }

  function refresh() {
    if (isLoading) {
      isStale = true;
      return;
    }
    isLoading = true;
    const request = new XMLHttpRequest();
    request.open("GET", path);
    request.responseType = "document"; // parsed without running anything
    request.onload = () => {
      if (request.status !== 200 || !request.response) return;
      document.title = request.response.title;
      for (const part of document.querySelectorAll("[data-live]")) {
        const fresh = request.response.getElementById(part.id);
        if (fresh && fresh.outerHTML !== part.outerHTML) renew(part, fresh);
      }
    };
    request.onloadend = () => {
      isLoading = false;
      if (isStale) {
        isStale = false;
        refresh();
      }
    };
    request.send();
  }

  function open() {
    source = new EventSource(`/events?seen=${encodeURIComponent(seen)}`);
    source.addEventListener("change", refresh);
    source.onopen = () => say("");
    source.onerror = () => {
      say("No connection to the server; trying again.");
      if (source.readyState === EventSource.CLOSED) {
        close();
        setTimeout(() => {
          if (!source && !document.hidden) open();
        }, RETRY_MILLISECONDS);
      }
    };
  }

  function close() {
    if (source) source.close();
    source = null;
  }

  // Browsers allow six connections to a server; pages in the background leave theirs to others.
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) {
      close();
    } else if (!source) {
      refresh();
      open();
    }
  });
  document.addEventListener("focusout", () => {
    if (isLeftOut && source) {
      isLeftOut = false;
      refresh();
    }
  });

  // Pages that only say what is wrong have no path to be made anew from.
  if (path) open();
})();
