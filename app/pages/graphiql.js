"use strict";
(function () {
  const settings = JSON.parse(document.getElementById("settings").textContent);
  const wanted = new URLSearchParams(location.search).get("endpoint");
  const endpoint = settings.endpoints.find((each) => each.name === wanted) || settings.endpoints[0];
  const headers = endpoint.headers ? JSON.stringify(endpoint.headers, null, 2) : "";

  const links = document.getElementById("endpoints");
  for (const each of settings.endpoints) {
    const link = document.createElement("a");
    link.href = "?endpoint=" + encodeURIComponent(each.name);
    link.textContent = each.label;
    if (each === endpoint) link.setAttribute("aria-current", "page");
    links.append(link);
  }
  document.getElementById("address").textContent = "POST " + new URL(endpoint.url, location.href).href;

  // Tabs and their headers live as long as the page, so that it always opens with the ready queries and a token that
  // still works; history and taste are kept, per endpoint.
  const volatile = new Map();
  const isVolatile = (name) => /^graphiql:(tabState|query|variables|headers|shouldPersistHeaders)$/.test(name);
  const kept = (name) => "jifen:" + endpoint.name + ":" + name;
  const storage = {
    get length() { return localStorage.length; },
    clear() { localStorage.clear(); },
    getItem: (name) => (isVolatile(name) ? volatile.get(name) ?? null : localStorage.getItem(kept(name))),
    setItem: (name, value) => (isVolatile(name) ? volatile.set(name, value) : localStorage.setItem(kept(name), value)),
    removeItem: (name) => (isVolatile(name) ? volatile.delete(name) : localStorage.removeItem(kept(name))),
  };

  // GraphiQL notices a change of tab a moment later than a quick hand runs it: the text that is sent decides.
  function operationsOf(query) {
    try {
      return GraphiQL.GraphQL.parse(query).definitions.filter((each) => each.kind === "OperationDefinition");
    } catch {
      return [];
    }
  }

  function post(parameters, given, accept) {
    return fetch(endpoint.url, {
      method: "POST",
      headers: { "content-type": "application/json", accept, ...given },
      body: JSON.stringify(parameters),
      credentials: "omit",
    });
  }

  async function* events(parameters, given) {
    const response = await post(parameters, given, "text/event-stream");
    if (!response.ok) {
      yield await response.json();
      return;
    }
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    try {
      for (;;) {
        const { value, done } = await reader.read();
        if (done) return;
        text += value;
        const parts = text.split("\n\n");
        text = parts.pop();
        for (const part of parts) {
          if (part.startsWith("event: complete")) return;
          const data = part.split("\n").find((line) => line.startsWith("data: "));
          if (data) yield JSON.parse(data.slice(6));
        }
      }
    } finally {
      reader.cancel();
    }
  }

  function fetcher(parameters, options) {
    const given = (options && options.headers) || {};
    const operations = operationsOf(parameters.query);
    const named = operations.find((each) => each.name && each.name.value === parameters.operationName);
    const chosen = named || operations[0];
    const request = named ? parameters : { ...parameters, operationName: undefined };
    if (chosen && chosen.operation === "subscription") return events(request, given);
    return post(request, given, "application/graphql-response+json").then((response) => response.json());
  }

  const tabs = endpoint.queries.map((each) => ({
    query: each.query,
    variables: each.variables ? JSON.stringify(each.variables, null, 2) : "",
    headers,
  }));
  // The first tab's variables are read from storage, its query from the tab.
  if (tabs.length) volatile.set("graphiql:variables", tabs[0].variables);
  ReactDOM.render(
    React.createElement(GraphiQL, {
      fetcher,
      storage,
      defaultTabs: tabs.length ? tabs : undefined,
      defaultQuery: "",
      defaultHeaders: headers,
      defaultEditorToolsVisibility: tabs.length && tabs[0].variables ? "variables" : "headers",
      shouldPersistHeaders: true,
      isHeadersEditorEnabled: true,
    }),
    document.getElementById("editor"),
  );
})();
