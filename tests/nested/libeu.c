/* SPDX-License-Identifier: MIT */
/*
 * Two functions of elfutils' libeu, for a libelf.a that calls them where no package holds libeu.a:
 * that of Debian 13 (elfutils 0.192). libelf keeps the chunks that elf_getdata_rawchunk has read
 * in a tree, which starts as zeroes. Without that call, which minivmm does not make, the tree stays
 * empty, so that there is nothing to begin and nothing to free. A call would not link: it needs more.
 */
void eu_search_tree_init(void *tree);
void eu_search_tree_fini(void *tree, void (*free_node)(void *));

void eu_search_tree_init(void *tree)
{
	(void)tree;
}

void eu_search_tree_fini(void *tree, void (*free_node)(void *))
{
	(void)tree;
	(void)free_node;
}
