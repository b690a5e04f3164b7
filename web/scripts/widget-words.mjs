// The widget shows a part of the search page and takes only the words of that part along.
const LEFT_OUT = /^(camera|filter|sort|share|sheet|claim|color|why|examples?|link|words|feedback|cancel\w*|state\.(filtered|link))(\.|$)|^(api|home|skip|language|lead|drop|drop\.now|results\.for\..*|photo\.searched|catalogue\.photo|searching|filters)$/;

/** `words`: the JSON of a language file. */
export const widgetWords = (words) => JSON.stringify(Object.fromEntries(Object.entries(JSON.parse(words)).filter(([key]) => !LEFT_OUT.test(key))));
