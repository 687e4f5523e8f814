/* SPDX-License-Identifier: MIT */
/* A directory goes, with all that is in it. */
#ifndef VMM_REMOVE_TREE_H
#define VMM_REMOVE_TREE_H

/* What cannot be removed stays. Links are removed, not followed. */
void remove_tree(const char *path);

#endif
