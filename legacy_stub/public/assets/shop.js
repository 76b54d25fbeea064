// Makes a page this visitor's own: cart count, name and the token that the forms need.
"use strict";

async function greetVisitor() {
  const answer = await fetch("/api/visitor", { headers: { Accept: "application/json" } });
  if (!answer.ok) return; // The forms still work: the shop then asks for one more click.
  const visitor = await answer.json();
  for (const place of document.querySelectorAll("[data-cart]")) {
    place.textContent = visitor.cart_count > 0 ? String(visitor.cart_count) : "";
  }
  for (const place of document.querySelectorAll("[data-account]")) {
    place.textContent = visitor.customer ?? "Log in";
  }
  for (const field of document.querySelectorAll('input[name="csrf"][value=""]')) {
    field.value = visitor.csrf;
  }
}

greetVisitor();
