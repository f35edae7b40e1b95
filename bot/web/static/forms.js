"use strict";

// Forms within the chat: what is missing is said beside the field, and what was typed stays until it is sent.
const forms = (() => {
  const controlOf = (field) => field.querySelector("input:checked") || field.querySelector("input, select, textarea");
  const fieldsOf = (form) => [...form.querySelectorAll("[data-field]")];

  function problemOf(control) {
    if (control.validity.badInput) return "Please write a number.";
    if (!control.required || (control.value.trim() && !control.validity.valueMissing)) return "";
    return control.type === "radio" || control.options ? "Please choose one." : "Please fill this in.";
  }

  function mark(field, sentence) {
    const control = field.matches("fieldset") ? field : controlOf(field), problem = field.querySelector(".wrong");
    if (sentence) control.setAttribute("aria-invalid", "true");
    else control.removeAttribute("aria-invalid");
    problem.textContent = sentence;
    problem.hidden = !sentence;
  }

  function sum(form, sentence, wrong) {
    const summary = form.querySelector("[data-summary]");
    summary.hidden = !sentence;
    summary.querySelector("p").textContent = sentence;
    summary.querySelector("ul").replaceChildren(...wrong.map(([field, problem]) => {
      const item = document.createElement("li"), link = document.createElement("a");
      link.href = `#${field.matches("fieldset") ? field.id : controlOf(field).id}`;
      link.textContent = field.dataset.field;
      item.append(link, `: ${problem}`);
      return item;
    }));
    return summary;
  }

  // Whether the form can be sent; if not, what is wrong is shown and the first such field has the focus.
  function check(form) {
    const wrong = [];
    for (const field of fieldsOf(form)) {
      const sentence = problemOf(controlOf(field));
      mark(field, sentence);
      if (sentence) wrong.push([field, sentence]);
    }
    sum(form, wrong.length ? "Please look at this again:" : "", wrong);
    if (wrong.length) controlOf(wrong[0][0]).focus();
    return !wrong.length;
  }

  function complain(form, sentence) {
    sum(form, sentence, []).focus();
  }

  function lock(form, yes) {
    form.querySelector(".all").disabled = yes;
    form.setAttribute("aria-busy", String(yes));
  }

  function open(form, yes) {
    form.hidden = !yes;
    form.parentElement.querySelector("[data-closed]").hidden = yes;
  }

  // Where to begin: at the first field that is wrong, else at the first.
  function start(form) {
    const wrong = form.querySelector('[aria-invalid="true"]');
    const field = wrong ? wrong.closest("[data-field]") : fieldsOf(form)[0];
    return field ? controlOf(field) : form.querySelector("button");
  }

  function isEdited(form) {
    return !form.hidden && [...form.elements].some((each) => {
      if (each.type === "radio") return each.checked !== each.defaultChecked;
      if (each.options) return [...each.options].some((option) => option.selected !== option.defaultSelected);
      return "defaultValue" in each && each.value !== each.defaultValue;
    });
  }

  function clicked(event) {
    const form = event.target.closest("form.asked");
    if (form && event.target.matches("[data-summary] a")) {
      event.preventDefault();
      controlOf(document.getElementById(event.target.hash.slice(1)).closest("[data-field]")).focus();
    } else if (form && event.target.matches("[data-cancel]")) {
      open(form, false);
      form.parentElement.querySelector("[data-reopen]").focus();
    } else if (event.target.matches("[data-reopen]")) {
      const closed = event.target.closest(".message").querySelector("form.asked");
      open(closed, true);
      start(closed).focus();
    }
  }

  return { check, clicked, complain, isEdited, lock, start };
})();
