export function adminStories() {}
